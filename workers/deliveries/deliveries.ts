import { createNewerMessages } from "../../runtime/newer-messages.ts";
import { pause } from "../../runtime/schedule.ts";
import type { Conclusions } from "../attempt/conclude.ts";
import { type Delivery, modelOf, type WorkerConfig, type WorkerPorts } from "../ports.ts";
import { breakOff, cancel, type DeliverySource, own, type OwnedDelivery } from "./owned.ts";
import { createWaiting, type Waiting } from "./waiting.ts";

/** All deliveries that this worker owns, those that wait and those that run. The prefetches bound them. */
export interface Deliveries {
  /**
   * Owns a delivery, which then waits for its turn; or leaves it to others when it cannot run here. One that
   * is in the queue of another model than its own goes to its own: gateways of the version before put all
   * into one, and the default model may have changed.
   */
  take: (source: DeliverySource, delivery: Delivery) => void;
  /** Those whose turn has not come. */
  waiting: Waiting;
  /** The delivery has left this worker: it was acked, requeued or lost. */
  remove: (owned: OwnedDelivery) => void;
  count: () => number;
  countOf: (source: DeliverySource) => number;
  /** Cancels the request wherever it stands here. */
  cancel: (requestId: string) => void;
  /**
   * Hands over what came from there and waits for its turn: to the queue of its model, or to be parked when
   * the model is not known any more. Returns at once. To be called when none can come from there.
   */
  handOver: (source: DeliverySource) => void;
  /**
   * Hands to the keeper what came from there and waits here beyond `waitingMax`, the last first, so that it
   * takes its turn among all that wait. Returns at once.
   */
  putBack: (source: DeliverySource, waitingMax: number) => void;
  /** Hands over to other workers what waits, and from now on requeues what still comes. Returns at once. */
  handOverAll: () => void;
  /** Breaks off everything that is under way. */
  breakOffAll: () => void;
  /** Resolves when nothing is owned and no message is kept for a newer worker, after `ms` at the latest. */
  whenEmpty: (ms: number) => Promise<void>;
}

/** `onTaken` is called when a delivery has begun to wait. */
export function createDeliveries(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "schedule" | "log">,
  conclusions: Pick<Conclusions, "handOver" | "moveOn" | "putOff">,
  onTaken: () => void,
): Deliveries {
  const all = new Set<OwnedDelivery>();
  const waiting = createWaiting();
  const newer = createNewerMessages(ports);
  const emptyListeners = new Set<() => void>();
  const watchedChannels = new WeakSet<AbortSignal>();
  let isHandedOver = false;

  function take(source: DeliverySource, delivery: Delivery): void {
    const { decoded, lost } = delivery;
    if (!decoded.ok) {
      refuse(delivery, decoded);
      return;
    }
    // Until the hand-over a drain keeps what still arrives, and hands it over with all the rest: each ack
    // before the consumer has paused would only bring the next one.
    if (isHandedOver || lost.aborted) {
      delivery.requeue();
      return;
    }
    const owned = own(source, delivery, decoded.request);
    all.add(owned);
    watch(lost);
    const { model } = decoded.request.head;
    if (!isKnown(model)) leave(owned, putOff(owned));
    else if (model !== source.model) leave(owned, conclusions.moveOn(owned));
    else {
      waiting.add(owned);
      onTaken();
    }
  }

  const putOff = (owned: OwnedDelivery): Promise<void> => conclusions.putOff(owned, null);

  const isKnown = (model: string): boolean => modelOf(config(), model) !== undefined;

  /** Nothing waits for it: its conclusion repeats what fails, until it is broken off. */
  function leave(owned: OwnedDelivery, concluded: Promise<void>): void {
    concluded
      .catch((error: unknown) => {
        ports.log.error({ err: error }, "a delivery that cannot run here is requeued");
        owned.delivery.requeue();
      })
      .finally(() => remove(owned));
  }

  function refuse(
    delivery: Delivery,
    { isNewer, reason }: { isNewer: boolean; reason: string },
  ): void {
    if (isNewer) {
      newer.keep(delivery, reason);
      return;
    }
    ports.log.error({ reason }, "a message cannot be read");
    delivery.reject();
  }

  /**
   * One listener for all deliveries of a channel: one for each was a twentieth of what a delivery costs here.
   */
  function watch(lost: AbortSignal): void {
    if (watchedChannels.has(lost)) return;
    watchedChannels.add(lost);
    lost.addEventListener("abort", () => lose(lost));
  }

  /** The broker gives what came on this channel to somebody else. */
  function lose(lost: AbortSignal): void {
    const isLost = ({ delivery }: OwnedDelivery): boolean => delivery.lost === lost;
    for (const owned of all) if (isLost(owned)) breakOff(owned);
    for (const owned of waiting.takeAll(isLost)) remove(owned);
  }

  function remove(owned: OwnedDelivery): void {
    if (all.delete(owned) && all.size === 0) for (const listener of emptyListeners) listener();
  }

  /** Resolves when nothing is owned, or when the signal aborts. */
  function whenNoneOwned(signal: AbortSignal): Promise<void> {
    if (all.size === 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        emptyListeners.delete(end);
        signal.removeEventListener("abort", end);
        resolve();
      };
      emptyListeners.add(end);
      signal.addEventListener("abort", end);
    });
  }

  return {
    take,
    waiting,
    remove,
    count: () => all.size,
    countOf: (source) => [...all].filter((owned) => owned.source === source).length,
    cancel(requestId) {
      for (const owned of all) if (owned.request.head.requestId === requestId) cancel(owned);
    },
    handOver(source) {
      const conclude = isKnown(source.model) ? conclusions.moveOn : putOff;
      for (const owned of waiting.takeAll((one) => one.source === source)) {
        leave(owned, conclude(owned));
      }
    },
    putBack(source, waitingMax) {
      if (waiting.countOf(source.model) <= waitingMax) return;
      // A new message would not have the count that tells of workers that died.
      const mayBeNew = waiting
        .all()
        .filter((one) => one.source === source && !one.isSuspect && one.crashes === 0);
      const surplus = new Set(mayBeNew.slice(waitingMax));
      for (const owned of waiting.takeAll((one) => surplus.has(one))) leave(owned, putOff(owned));
    },
    handOverAll() {
      isHandedOver = true;
      for (const owned of waiting.takeAll(() => true)) leave(owned, conclusions.handOver(owned));
    },
    breakOffAll() {
      for (const owned of all) breakOff(owned);
    },
    async whenEmpty(ms) {
      const emptied = new AbortController();
      const timeUp = new AbortController();
      const timer = pause(ports.schedule, ms, emptied.signal).then(() => timeUp.abort());
      await Promise.all([whenNoneOwned(timeUp.signal), newer.handOver(timeUp.signal)]);
      emptied.abort();
      await timer;
    },
  };
}
