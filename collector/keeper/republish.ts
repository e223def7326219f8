import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Process, QueueDepth, RepublishPorts } from "../ports.ts";
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

/** What is known of the queue of one model. */
interface Emptiness {
  /** Empty readings in a row. */
  readings: number;
  /**
   * When it was first believed empty: what is older was in a worker's hands then, or in no queue. undefined:
   * not yet.
   */
  sinceMs: number | undefined;
}

/**
 * Publishes queued requests again that are in no queue any more, because one was purged or lost (guarantee
 * I1).
 *
 * A million requests may wait for good reason, so waiting long proves nothing. What does: the queue of a
 * model had no ready messages at one time, and has none again at least `republishAfterMs` later; then a
 * request from before the first time has been in it at neither. It may be parked, which its row says; it may
 * wait for its next attempt in a delay queue, or be put off and wait to be parked, which its worker has
 * noted; or a worker has it, and then that worker has marked its start. Each model is judged by its own
 * queue, so that one that is paused, and never empty, hides no loss of another. Results that wait for a
 * collector and what waits to be parked stop everything: their requests are on their way.
 *
 * A duplicate is possible but harmless. A flood is not possible, because a walk starts on empty queues only,
 * meets each request once, and the next walk starts `republishAfterMs` after it at the earliest. Nothing is
 * remembered per request.
 */
export function createRepublish(
  ports: RepublishPorts & Process,
  { everyMs, republishAfterMs }: RepublishOptions,
): Duty {
  const empty = new Map<string, Emptiness>();
  let walk: Walk | undefined;

  /**
   * Notes which queues are empty; returns the models whose queue was empty before and is again, and since
   * when.
   */
  function lookAt(depths: readonly QueueDepth[]): Map<string, number> {
    const nowMs = ports.now();
    const isOnTheWay = depths.some(({ kind, ready }) => kind === "shared" && ready > 0);
    const due = new Map<string, number>();
    for (const { kind, model, ready } of depths) {
      if (kind !== "model" || model === null) continue;
      const known = empty.get(model) ?? { readings: 0, sinceMs: undefined };
      empty.set(model, known);
      known.readings = isOnTheWay || ready > 0 ? 0 : known.readings + 1;
      if (known.readings < EMPTY_READINGS) continue;
      known.sinceMs ??= nowMs;
      if (nowMs - known.sinceMs >= republishAfterMs) due.set(model, known.sinceMs);
    }
    return due;
  }

  async function startWalk(): Promise<Walk | undefined> {
    const sinceOf = lookAt(await ports.queueDepths());
    if (sinceOf.size === 0) return undefined;
    const models = [...sinceOf.keys()];
    const createdBeforeMs = Math.max(...sinceOf.values());
    const walkPages = createWalk<QueuedRequest>(
      (after) => ports.queuedBefore(createdBeforeMs, models, after, PAGE_MAX),
      PAGES_MAX,
    );
    const isOld = ({ head }: QueuedRequest): boolean =>
      head.createdAtMs < (sinceOf.get(head.model) ?? 0);
    return async (signal) => {
      const isDone = await walkPages((requests) => publishLost(requests.filter(isOld)), signal);
      // What this walk published is in the queues now: begin anew.
      if (isDone) for (const model of models) empty.delete(model);
      return isDone;
    };
  }

  async function publishLost(requests: QueuedRequest[]): Promise<void> {
    if (requests.length === 0) return;
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
      if (walk !== undefined && (await walk(signal))) walk = undefined;
    },
  };
}
