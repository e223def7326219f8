import type { OperatorPause } from "../../core/queue/lane.ts";
import type { ModelHealth } from "../../core/queue/model-health.ts";
import type { Log } from "../../runtime/log.ts";

/** A line when a model pauses, stays paused after a probe, or is called again; and for each user's pause. */
export function logHealthChange(
  log: Log,
  model: string,
  before: ModelHealth,
  after: ModelHealth,
  atMs: number,
): void {
  const [was, is] = [before.pause, after.pause];
  if (is !== null && (was === null || is.untilMs !== was.untilMs)) {
    const { cause, message } = is;
    const pause = { model, cause, reason: message, pause_ms: is.untilMs - atMs };
    log.warn(pause, was === null ? "a model is paused" : "a model stays paused");
  }
  if (is === null && was !== null) {
    log.info({ model, cause: was.cause, paused_ms: atMs - was.sinceMs }, "a model is called again");
  }
  for (const [userId, { trouble, message, pauseMs }] of Object.entries(after.users)) {
    if (pauseMs === 0 || (before.users[userId]?.pauseMs ?? 0) > 0) continue;
    const who = { model, user_id: userId, cause: trouble, reason: message };
    log.warn(who, "requests of a user are tried one at a time");
  }
  for (const [userId, { pauseMs }] of Object.entries(before.users)) {
    if (pauseMs === 0 || after.users[userId] !== undefined) continue;
    log.info({ model, user_id: userId }, "requests of a user are called again");
  }
}

/** Returns whether an operator has paused or resumed the model. */
export function logOperatorPause(
  log: Log,
  model: string,
  was: OperatorPause | null,
  is: OperatorPause | null,
): boolean {
  if (is !== null && was === null) {
    log.warn({ model, by: is.by, reason: is.reason }, "an operator has paused a model");
  }
  if (is === null && was !== null) log.info({ model }, "an operator has resumed a model");
  return (is === null) !== (was === null);
}
