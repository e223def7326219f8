import type { QueuedRequest } from "../core/messages.ts";
import { isSuspect } from "../core/attempt/arrival.ts";
import type { Delivery } from "./ports.ts";

/** A delivery that this worker owns and has not concluded yet. */
export interface Held {
  delivery: Delivery;
  request: QueuedRequest;
  /** When its start was marked, Unix milliseconds; null: not yet. */
  startedAtMs: number | null;
  /** When it goes to a delay queue if its model is still out of reach, Unix milliseconds. */
  parkAtMs: number;
  /** Earlier starts of the request whose workers died, as known since this one was marked. */
  crashes: number;
  /** Seen by workers that died: runs only beside deliveries above suspicion. */
  suspect: boolean;
  isCancelled: boolean;
  /** Aborts the call of the ML service. */
  call: AbortController;
  /** Aborts whatever is done for the delivery, publishing included: it is to be given back. */
  giveBack: AbortController;
}

export function hold(delivery: Delivery, request: QueuedRequest, parkAtMs: number): Held {
  return {
    delivery,
    request,
    startedAtMs: null,
    parkAtMs,
    crashes: 0,
    suspect: isSuspect(delivery.deliveryCount),
    isCancelled: false,
    call: new AbortController(),
    giveBack: new AbortController(),
  };
}

/** Ends the request as soon as nothing has to be waited for; harmless when it has ended already. */
export function cancel(held: Held): void {
  held.isCancelled = true;
  held.call.abort();
}

/** Breaks off what is under way, so that the delivery goes back to the broker. */
export function giveBack(held: Held): void {
  held.call.abort();
  held.giveBack.abort();
}
