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
  /** Of each worker and model the last note that counted. */
  let before = new Map<string, { atMs: number; ended: number }>();
  let work = new Map<string, ModelWork>();

  return {
    update(notes) {
      const seen = new Map<string, { atMs: number; ended: number }>();
      const next = new Map<string, ModelWork>();
      const measured = new Map<string, number>();
      const isMeasured = new Set<string>();
      for (const { workerId, atMs, models } of notes) {
        for (const [model, { problem, limit, underWay, ended }] of Object.entries(models)) {
          const key = `${workerId} ${model}`;
          const last = before.get(key);
          if (last === undefined || atMs <= last.atMs) seen.set(key, last ?? { atMs, ended });
          else {
            seen.set(key, { atMs, ended });
            const perSecond = ((ended - last.ended) * 1_000) / (atMs - last.atMs);
            measured.set(model, (measured.get(model) ?? 0) + Math.max(0, perSecond));
            isMeasured.add(model);
          }
          const sum = next.get(model) ?? NO_WORK;
          next.set(model, {
            workers: sum.workers + (problem === null ? 1 : 0),
            limit: sum.limit + (problem === null ? limit : 0),
            underWay: sum.underWay + underWay,
            ratePerSecond: 0,
          });
        }
      }
      for (const [model, sum] of next) {
        const old = work.get(model)?.ratePerSecond ?? 0;
        const rate = isMeasured.has(model)
          ? (1 - NEWEST) * old + NEWEST * (measured.get(model) ?? 0)
          : old;
        next.set(model, { ...sum, ratePerSecond: rate });
      }
      before = seen;
      work = next;
    },
    of: (model) => work.get(model) ?? NO_WORK,
  };
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
