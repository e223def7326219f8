import type { DecodedDelivery, ResultConsumer, ResultDelivery } from "../../../collector/ports.ts";

export interface FakeBroker {
  consume: (onDelivery: (delivery: ResultDelivery) => void) => Promise<ResultConsumer>;
  publish: (...messages: DecodedDelivery[]) => void;
  /** The channel is gone: what was not acked is delivered again, to the consumer there is then. */
  loseChannel: () => void;
  ready: DecodedDelivery[];
  dead: DecodedDelivery[];
  unacked: () => number;
  /** How deliveries were settled, in order: `ack`, `reject`, `requeue`. */
  settled: string[];
}

/**
 * A queue with one consumer, a prefetch, redelivery and a dead-letter queue. `note` hears of every ack and
 * reject.
 */
export function createFakeBroker(prefetch: number, note: (event: string) => void): FakeBroker {
  const unacked = new Map<number, DecodedDelivery>();
  let onDelivery: ((delivery: ResultDelivery) => void) | undefined;
  let channel = new AbortController();
  let tags = 0;

  const broker: FakeBroker = {
    ready: [],
    dead: [],
    settled: [],
    unacked: () => unacked.size,
    publish: (...messages) => {
      broker.ready.push(...messages);
      pump();
    },
    loseChannel: () => {
      onDelivery = undefined;
      channel.abort();
      channel = new AbortController();
      broker.ready.unshift(...unacked.values());
      unacked.clear();
    },
    consume: async (listener) => {
      onDelivery = listener;
      pump();
      return {
        pause: async () => {
          onDelivery = undefined;
        },
        close: async () => broker.loseChannel(),
      };
    },
  };

  function pump(): void {
    if (onDelivery === undefined || unacked.size >= prefetch) return;
    const decoded = broker.ready.shift();
    if (decoded === undefined) return;
    tags += 1;
    unacked.set(tags, decoded);
    onDelivery(deliveryOf(tags, decoded));
    pump();
  }

  function deliveryOf(tag: number, decoded: DecodedDelivery): ResultDelivery {
    const { signal } = channel;
    const take = (kind: string): void => {
      const message = unacked.get(tag);
      if (signal.aborted || message === undefined) return;
      unacked.delete(tag);
      if (kind === "reject") broker.dead.push(message);
      if (kind === "requeue") broker.ready.push(message);
      broker.settled.push(kind);
      note(kind);
      pump();
    };
    return {
      decoded,
      lost: signal,
      ack: () => take("ack"),
      reject: () => take("reject"),
      requeue: () => take("requeue"),
      publishUnchanged: async () => {
        if (signal.aborted) throw new Error("the channel is gone");
        broker.publish(decoded);
      },
    };
  }

  return broker;
}
