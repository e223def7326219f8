import type { Schedule } from "../../runtime/schedule.ts";

/** A message as the broker numbers it within a channel, from 1 on. */
export interface Tagged {
  fields: { deliveryTag: number };
}

/**
 * The acks of one channel. An ack counts only once it is written: what a crash leaves unwritten is delivered
 * again.
 */
export interface Acks<Message extends Tagged> {
  /** Must be called in the order of delivery. */
  arrived: (message: Message) => void;
  /** The message is done with, once. Written soon, together with its neighbours. */
  ack: (message: Message) => void;
  /** The message goes back or to the dead letters; the caller writes that. */
  left: (message: Message) => void;
  /** Writes what has been gathered. */
  flush: () => void;
  /** The channel is gone: forgets everything and leaves no timer behind. */
  stop: () => void;
}

export interface AcksOptions<Message extends Tagged> {
  /** Deliveries that the broker sends ahead of their acks, now. */
  prefetch: () => number;
  /** Writes one frame; `isUpTo`: for this message and all before it that are not settled. */
  write: (message: Message, isUpTo: boolean) => void;
  /** Milliseconds, of a clock that never steps back. */
  now: () => number;
  /** With 0 ms: at the end of this turn of the event loop. */
  schedule: Schedule;
}

/**
 * How long acks are gathered while they come fast; the first after a pause is written at the end of its turn.
 * Each frame is one command to the queue's log, so that a worker of 1,000 requests a second sends 200 instead
 * of 1,000; a crash repeats at most the work of this time.
 */
const GATHER_MS = 5;
/**
 * With this share of the prefetch gathered, acks are written at once: ungathered, the broker would have sent
 * other messages by now.
 */
const GATHERED_SHARE_MAX = 0.1;

/**
 * Acks with as few frames as order allows. An ack "up to here" also acks what came before and is not settled
 * yet, so it is used only below the oldest delivery still open; above that, each delivery is acked alone.
 */
export function createAcks<Message extends Tagged>({
  prefetch,
  write,
  now,
  schedule,
}: AcksOptions<Message>): Acks<Message> {
  /** Tags of what is not done with; ascending, because they are added in that order. */
  const open = new Set<number>();
  let gathered: Message[] = [];
  let flushedAtMs = Number.NEGATIVE_INFINITY;
  let planned: { atMs: number; cancel: () => void } | undefined;

  function planFlush(): void {
    const nowMs = now();
    const gatheredMax = Math.ceil(prefetch() * GATHERED_SHARE_MAX);
    const atMs = gathered.length < gatheredMax ? Math.max(nowMs, flushedAtMs + GATHER_MS) : nowMs;
    if (planned !== undefined && planned.atMs <= atMs) return;
    planned?.cancel();
    planned = { atMs, cancel: schedule(flush, atMs - nowMs) };
  }

  function forgetPlan(): void {
    planned?.cancel();
    planned = undefined;
  }

  function flush(): void {
    forgetPlan();
    if (gathered.length === 0) return;
    flushedAtMs = now();
    const messages = gathered;
    gathered = [];
    const [oldestOpen = Number.POSITIVE_INFINITY] = open;
    let newestBelow: Message | undefined;
    for (const message of messages) {
      if (tagOf(message) > oldestOpen) write(message, false);
      else if (newestBelow === undefined || tagOf(message) > tagOf(newestBelow))
        newestBelow = message;
    }
    if (newestBelow !== undefined) write(newestBelow, true);
  }

  return {
    arrived: (message) => void open.add(tagOf(message)),
    ack(message) {
      open.delete(tagOf(message));
      gathered.push(message);
      planFlush();
    },
    left: (message) => void open.delete(tagOf(message)),
    flush,
    stop() {
      forgetPlan();
      gathered = [];
      open.clear();
    },
  };
}

function tagOf({ fields }: Tagged): number {
  return fields.deliveryTag;
}
