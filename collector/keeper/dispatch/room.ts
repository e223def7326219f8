import type { WorkerNote } from "../../../core/queue/lane.ts";

/** What the workers say of one model together. */
export interface ModelWork {
  /** Workers that can call it. */
  workers: number;
  limit: number;
  underWay: number;
  /** Calls ended per second, a moving average; 0: none lately. */
  ratePerSecond: number;
}

/** Adds up the notes of all workers and measures how fast calls end. */
export interface WorkMeter {
  update: (notes: readonly WorkerNote[]) => void;
  of: (model: string) => ModelWork;
}

const NO_WORK: ModelWork = { workers: 0, limit: 0, underWay: 0, ratePerSecond: 0 };
/** Weight of the newest measurement, which is half a second to a second old. */
const NEWEST = 0.3;

export function createWorkMeter(): WorkMeter {
  /** Of each worker and model: the last note that counted, and the rate by then. */
  let before = new Map<string, { atMs: number; ended: number; perSecond: number }>();
  let work = new Map<string, ModelWork>();

  return {
    update(notes) {
      const seen: typeof before = new Map();
      const sums = new Map<string, ModelWork>();
      for (const { workerId, atMs, models } of notes) {
        for (const [model, { problem, limit, underWay, ended }] of Object.entries(models)) {
          const key = `${workerId} ${model}`;
          const last = before.get(key) ?? { atMs, ended, perSecond: 0 };
          const perSecond = atMs > last.atMs ? rateAfter(last, { atMs, ended }) : last.perSecond;
          seen.set(key, { atMs, ended, perSecond });
          const sum = sums.get(model) ?? NO_WORK;
          sums.set(model, {
            workers: sum.workers + (problem === null ? 1 : 0),
            limit: sum.limit + (problem === null ? limit : 0),
            underWay: sum.underWay + underWay,
            ratePerSecond: sum.ratePerSecond + perSecond,
          });
        }
      }
      before = seen;
      work = sums;
    },
    of: (model) => work.get(model) ?? NO_WORK,
  };
}

function rateAfter(
  last: { atMs: number; ended: number; perSecond: number },
  next: { atMs: number; ended: number },
): number {
  // A worker that was restarted under the same name counts from nothing.
  const ended = Math.max(0, next.ended - last.ended);
  const newest = (ended * 1_000) / (next.atMs - last.atMs);
  return (1 - NEWEST) * last.perSecond + NEWEST * newest;
}

export interface RoomQuestion {
  work: ModelWork;
  /** Messages ready in the model's queue. */
  ready: number;
  /** Published since the workers' notes were written: some of it may be under way and in no count. */
  unseen: number;
  /** `dispatch.queue_seconds`. */
  queueSeconds: number;
  /** What one worker may run at once, by the configuration: wakes the first one. */
  concurrencyMax: number;
}

/**
 * How many more messages the queue of a model may take: so many that its workers are busy, or that there is
 * work for `queueSeconds` by the measured rate.
 */
export function roomOf({
  work,
  ready,
  unseen,
  queueSeconds,
  concurrencyMax,
}: RoomQuestion): number {
  const capacity = work.workers === 0 ? concurrencyMax : work.limit;
  const byTime = Math.ceil(work.ratePerSecond * queueSeconds) - ready;
  const byPlaces = capacity - Math.max(work.underWay, 0) - ready - unseen;
  return Math.max(0, byTime, byPlaces);
}
