import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Process, RepublishPorts } from "../ports.ts";
import { createWalk, type Duty } from "./duty.ts";

export interface RepublishOptions {
  everyMs: number;
  /** How long a request must have been waiting in no queue. */
  republishAfterMs: number;
}

const PAGE_MAX = 200;
const PAGES_MAX = 5;
/**
 * Readings of empty queues in a row before anything is believed lost: a broker that has just restarted may
 * count too early.
 */
const EMPTY_READINGS = 3;

/** A walk through what is believed lost. Each request is met once. */
type Walk = (signal: AbortSignal) => Promise<boolean>;

/**
 * Publishes queued requests again that are in no queue any more, because one was purged or lost (guarantee
 * I1).
 *
 * A million requests may wait for good reason, so waiting long proves nothing. What does: the queues had no
 * ready messages at one time, and have none again at least `republishAfterMs` later; then a request from
 * before the first time has been in no queue at the second. Only a worker can still have it, and then that
 * worker has marked its start or put it into a delay queue meanwhile. The delay queues of another
 * configuration (a worker has read its file before or after this process) are not among those counted: hence
 * the note that a worker makes of each delay.
 *
 * A duplicate is possible but harmless. A flood is not possible, because a walk starts on empty queues only,
 * meets each request once, and the next walk starts `republishAfterMs` after it at the earliest. Nothing is
 * remembered per request.
 */
export function createRepublish(
  ports: RepublishPorts & Process,
  { everyMs, republishAfterMs }: RepublishOptions,
): Duty {
  let emptyReadings = 0;
  /** When the queues were seen empty: what is older was in a worker's hands then, or in none. */
  let seenEmptyAtMs: number | undefined;
  let walk: Walk | undefined;

  async function startWalk(): Promise<Walk | undefined> {
    const depths = await ports.queueDepths();
    const isEmpty = depths.every(({ kind, ready }) => kind !== "path" || ready === 0);
    emptyReadings = isEmpty ? emptyReadings + 1 : 0;
    if (emptyReadings < EMPTY_READINGS) return undefined;
    const nowMs = ports.now();
    seenEmptyAtMs ??= nowMs;
    if (nowMs - seenEmptyAtMs < republishAfterMs) return undefined;
    const createdBeforeMs = seenEmptyAtMs;
    const walkPages = createWalk<QueuedRequest>(
      (after) => ports.queuedBefore(createdBeforeMs, after, PAGE_MAX),
      PAGES_MAX,
    );
    return (signal) => walkPages(publishLost, signal);
  }

  async function publishLost(requests: QueuedRequest[]): Promise<void> {
    const refs = requests.map(({ head }) => head);
    const [marks, delayedUntil] = await Promise.all([
      ports.attemptMarks(refs),
      ports.delayedUntil(refs),
    ]);
    const nowMs = ports.now();
    const lost = requests.filter(({ head }, index) => {
      const mark = marks[index];
      // It may wait in a delay queue of a configuration that this process has not read. The clock that says
      // so is the worker's.
      const isDelayed = (delayedUntil[index] ?? 0) + republishAfterMs > nowMs;
      if (mark === "under_way" || isDelayed) return false;
      // One that was begun does not expire any more: its result or its next attempt was lost.
      return mark !== "none" || head.expiresAtMs > nowMs;
    });
    if (lost.length === 0) return;
    ports.log.warn({ requests: lost.length }, "requests in no queue are published again");
    await Promise.all(lost.map((request) => ports.publishRequest(request)));
    ports.metrics.keeper_actions_total.add(lost.length, "republished");
  }

  return {
    name: "republish",
    everyMs,
    run: async (signal) => {
      walk ??= await startWalk();
      if (walk === undefined || !(await walk(signal))) return;
      walk = undefined;
      // What this walk published is in the queues now: begin anew.
      emptyReadings = 0;
      seenEmptyAtMs = undefined;
    },
  };
}
