import { expect } from "bun:test";

import { untilAccepting, untilCompleting } from "../faults/progress.ts";
import type { Scene } from "../faults/scenarios.ts";
import { watchAccepts } from "./gap.ts";

export interface FailOver {
  /** As it is told with the gap, such as `master killed`. */
  what: string;
  /** Takes the master away; returns how it is brought back, which is done under load too. */
  act: () => Promise<() => Promise<void>>;
  gapMaxMs: number;
}

/** Returns when requests are accepted and completed again with everything back. */
export async function failOver(scene: Scene, { what, act, gapMaxMs }: FailOver): Promise<void> {
  await untilCompleting(scene);
  const gap = watchAccepts(scene.load);
  const back = await act();
  await untilAccepting(scene);
  await back();
  await untilCompleting(scene);
  const gapMs = await gap.stop();
  process.stdout.write(`${what}: nothing was accepted for ${gapMs} ms\n`);
  expect(gapMs).toBeLessThan(gapMaxMs);
}
