import type { Ending } from "./commit-batch.ts";
import type { ResultDelivery } from "./ports.ts";

export interface Acks {
  /** To be called in the order of delivery. */
  arrived: (delivery: ResultDelivery) => void;
  /** The deliveries are done with: acks them, or rejects those that go to the dead letters. In the order of delivery. */
  done: (endings: readonly Pick<Ending, "delivery" | "isUnreadable">[]) => void;
  /** The deliveries could not be dealt with: gives them back. */
  giveBack: (deliveries: readonly ResultDelivery[]) => void;
}

/**
 * Acks with as few frames as order allows. Several batches are under way at once, and one ack "up to here" also acks what came before
 * and is not settled yet: so that is used only below the oldest delivery still open; above it each delivery is acked alone.
 */
export function createAcks(): Acks {
  /** Deliveries not done with, and their place in the order of arrival. */
  const open = new Map<ResultDelivery, number>();
  let arrivals = 0;

  function oldestOpen(): number {
    for (const [delivery, place] of open) {
      if (!delivery.lost.aborted) return place;
      // Its channel is gone, and "up to here" never reaches beyond a channel.
      open.delete(delivery);
    }
    return Number.POSITIVE_INFINITY;
  }

  return {
    arrived: (delivery) => {
      arrivals += 1;
      open.set(delivery, arrivals);
    },
    done: (endings) => {
      const toAck: { delivery: ResultDelivery; place: number }[] = [];
      for (const { delivery, isUnreadable } of endings) {
        const place = open.get(delivery);
        open.delete(delivery);
        if (place === undefined || delivery.lost.aborted) continue;
        if (isUnreadable) delivery.reject();
        else toAck.push({ delivery, place });
      }
      const oldest = oldestOpen();
      toAck.findLast(({ place }) => place < oldest)?.delivery.ackUpTo();
      for (const { delivery, place } of toAck) if (place > oldest) delivery.ack();
    },
    giveBack: (deliveries) => {
      for (const delivery of deliveries) {
        if (open.delete(delivery)) delivery.requeue();
      }
    },
  };
}
