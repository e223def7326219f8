import { join } from "node:path";

import { shortPath, type StatePaths } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { listProcesses, type ProcessRow } from "./process-list.ts";
import { lastTellingLine } from "./processes/log-tail.ts";
import { readStack } from "./supervision/supervised-stack.ts";

/** So long a part that has ended may take to be started again. */
const MEND_LIMIT_MS = 20_000;
const LOOK_PERIOD_MS = 250;

const isDown = ({ state }: ProcessRow): boolean => state !== "running" && state !== "in docker";

/**
 * What to tell somebody who starts what runs already. Of one that is half dead the supervisor is given time
 * to mend it; what it cannot mend is named, with what to do.
 */
export async function alreadyUp(
  paths: StatePaths,
  where: string,
  limitMs: number = MEND_LIMIT_MS,
): Promise<CommandFailure> {
  const ended = listProcesses(paths).filter(isDown);
  const down = await stillDown(paths, ended, limitMs);
  if (down.length > 0) return halfDead(paths, down);
  const names = ended.map(({ component }) => component).join(" and ");
  const mended = ended.length === 0 ? "" : `; ${names} had ended and runs again`;
  const advice = "see it with ./tollgate ps, stop it with ./tollgate down";
  return new CommandFailure(`already up, ${where}${mended}: ${advice}`, {
    exitCode: EXIT.alreadyRunning,
  });
}

async function stillDown(
  paths: StatePaths,
  ended: readonly ProcessRow[],
  limitMs: number,
): Promise<readonly ProcessRow[]> {
  const deadlineMs = Date.now() + limitMs;
  let down = ended;
  while (down.length > 0 && Date.now() < deadlineMs) {
    await Bun.sleep(LOOK_PERIOD_MS);
    down = listProcesses(paths).filter(isDown);
  }
  return down;
}

function halfDead(paths: StatePaths, down: readonly ProcessRow[]): CommandFailure {
  const servers = readStack(paths)?.servers ?? [];
  const whys = down.map(({ component, restarts }) => {
    const log = join(paths.logs, `${component}.log`);
    const known = servers.find(({ name }) => name === component)?.problem;
    const why = known ?? `${lastTellingLine(log)} (log: ${shortPath(log)})`;
    return `${component} does not run, started again ${restarts} times: ${why}`;
  });
  return new CommandFailure(
    `it is up, but ${whys.join("; ")} — mend that, or start over: ./tollgate down, then ./tollgate up`,
  );
}
