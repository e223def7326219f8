import type { Scene } from "./scene.ts";

/** One thing that was judged. */
export interface Finding {
  /** What should hold, in words. */
  what: string;
  isKept: boolean;
  /** What was seen, with its figures. */
  seen: string;
}

/** A part of the drill. It leaves Tollgate as it found it, but for what its title says. */
export interface Phase {
  name: string;
  title: string;
  /** Says that it cannot be tried here, and why. */
  reasonToSkip?: (scene: Scene) => string | undefined;
  run: (scene: Scene) => Promise<Finding[]>;
}

/** Judges a figure against a bound. */
export const within = (what: string, seconds: number, secondsMax: number): Finding => ({
  what: `${what} within ${secondsMax} s`,
  isKept: seconds <= secondsMax,
  seen: `${seconds.toFixed(1)} s`,
});
