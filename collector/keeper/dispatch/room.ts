import type { WorkerNote } from "../../../core/queue/lane.ts";

/** What the workers say of one model together. */
export interface ModelWork {
  /** Workers that can call it. */
  workers: number;
  limit: number;
  underWay: number;
  /** Calls ended per second, a moving average; 0: none lately. */
  ratePerSecond: number;
  /** By the last notes alone, and a little more: what is published goes by that. */
  sureRatePerSecond: number;
}

/** Adds up the notes of all workers and measures how fast calls end. */
export interface WorkMeter {
  update: (notes: readonly WorkerNote[]) => void;
  of: (model: string) => ModelWork;
}

const NO_WORK: ModelWork = {
  workers: 0,
  limit: 0,
  underWay: 0,
  ratePerSecond: 0,
  sureRatePerSecond: 0,
};
/** Weight of the newest measurement, which is half a second to a second old. */
const NEWEST = 0.3;
/** How much more than by the newest measurement calls may be taken to end, so that the rate can grow. */
const SURE = 1.25;

/** What one worker did at one model by the last note that counted. */
interface Pace {
  atMs: number;
  ended: number;
  /** null: not measured yet. */
  perSecond: number | null;
  surePerSecond: number;
}

function paceOf(before: Pace | undefined, atMs: number, ended: number): Pace {
  if (before === undefined) return { atMs, ended, perSecond: null, surePerSecond: 0 };
  if (atMs <= before.atMs) return before;
  // A worker that was restarted under the same name counts from nothing.
  const newest = Math.max(0, ((ended - before.ended) * 1_000) / (atMs - before.atMs));
  const old = before.perSecond ?? newest;
  const perSecond = old + NEWEST * (newest - old);
  return { atMs, ended, perSecond, surePerSecond: SURE * newest };
}

export function createWorkMeter(): WorkMeter {
  /** By worker and model: their notes come one by one, so that each is measured by itself. */
  let paces = new Map<string, Pace>();
  let work = new Map<string, ModelWork>();

  return {
    update(notes) {
      const seen = new Map<string, Pace>();
      const next = new Map<string, ModelWork>();
      for (const { workerId, atMs, models } of notes) {
        for (const [model, { problem, limit, underWay, ended }] of Object.entries(models)) {
          const key = `${workerId} ${model}`;
          const pace = paceOf(paces.get(key), atMs, ended);
          seen.set(key, pace);
          const sum = next.get(model) ?? NO_WORK;
          next.set(model, {
            workers: sum.workers + (problem === null ? 1 : 0),
            limit: sum.limit + (problem === null ? limit : 0),
            underWay: sum.underWay + underWay,
            ratePerSecond: sum.ratePerSecond + (pace.perSecond ?? 0),
            sureRatePerSecond: sum.sureRatePerSecond + pace.surePerSecond,
          });
        }
      }
      paces = seen;
      work = next;
    },
    of: (model) => work.get(model) ?? NO_WORK,
  };
}

/** What the queue of a model is measured by. */
export interface QueueMeasure {
  work: ModelWork;
  /** Messages ready in the model's queue. */
  ready: number;
  /** `dispatch.queue_seconds`. */
  queueSeconds: number;
  /** What one worker may run at once, by the configuration: wakes the first one. */
  concurrencyMax: number;
}

export interface RoomQuestion extends QueueMeasure {
  /** Published since the workers' notes were written: some of it may be under way and in no count. */
  unseen: number;
}

const capacityOf = ({ work, concurrencyMax }: QueueMeasure): number =>
  work.workers === 0 ? concurrencyMax : work.limit;

/** Of what was taken at once, so much more is offered. */
const GROWTH = 0.5;

/**
 * How many more messages the queue of a model may take: so many that its workers are busy, or that there is
 * work for `queueSeconds` by the measured rate, or more than lately where all of that was taken at once. The
 * last finds within a second how fast a model is of which nothing was measured yet, and of a slow one it
 * leaves half of its places in the queue.
 */
export function roomOf(question: RoomQuestion): number {
  const { work, ready, unseen, queueSeconds } = question;
  const capacity = capacityOf(question);
  const byTime = Math.ceil(work.sureRatePerSecond * queueSeconds) - ready;
  const byPlaces = capacity - Math.max(work.underWay, 0) - ready - unseen;
  const byGrowth = ready === 0 ? Math.ceil(GROWTH * unseen) : 0;
  return Math.max(0, byTime, byPlaces, byGrowth);
}

/** The rate is an average: only a queue that is so many times as long as it should be is cut. */
const TOO_LONG = 1.5;

/**
 * How many messages in the queue of a model are more than should be there: calls take longer than when they
 * were published.
 */
export function surplusOf(measure: QueueMeasure): number {
  const { work, ready, queueSeconds } = measure;
  const wanted = Math.max(capacityOf(measure), Math.ceil(work.sureRatePerSecond * queueSeconds));
  return ready > TOO_LONG * wanted ? ready - wanted : 0;
}
