import { CRASH_POINTS, type CrashPoint, type ReachCrashPoint } from "../../runtime/crash-points.ts";

function parse(setting: string | undefined): { point: CrashPoint; nth: number } | undefined {
  if (setting === undefined || setting === "") return undefined;
  const [point = "", nth = "1"] = setting.split(":");
  if (!Object.hasOwn(CRASH_POINTS, point)) {
    throw new Error(
      `CRASH_AT/HANG_AT: there is no point ${point}; there are ${Object.keys(CRASH_POINTS).join(", ")}`,
    );
  }
  return { point: point as CrashPoint, nth: Number(nth) };
}

/**
 * For fault tests: `CRASH_AT=G2` kills this process the first time it reaches G2, `CRASH_AT=G2:5` the fifth
 * time; `HANG_AT` stops it (SIGSTOP), so that the test can continue it as a zombie. Without either, reaching
 * a point costs nothing.
 *
 * @throws {Error} when there is no such point
 */
export function createCrashPoints(env: Record<string, string | undefined>): ReachCrashPoint {
  const crash = parse(env["CRASH_AT"]);
  const hang = parse(env["HANG_AT"]);
  if (crash === undefined && hang === undefined) return () => {};
  let crashCount = 0;
  let hangCount = 0;
  return (point) => {
    if (point === crash?.point && ++crashCount === crash.nth) process.kill(process.pid, "SIGKILL");
    if (point === hang?.point && ++hangCount === hang.nth) process.kill(process.pid, "SIGSTOP");
  };
}
