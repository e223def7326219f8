import { isSuspect } from "../../core/attempt/arrival.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Delivery } from "../ports.ts";

/** Where deliveries come from; told apart by identity. */
export interface DeliverySource {
  /** The model whose queue it is. */
  model: string;
}

/** A delivery that this worker owns: taken, and neither concluded nor lost. */
export interface OwnedDelivery {
  /** The subscription that it came on. */
  source: DeliverySource;
  delivery: Delivery;
  request: QueuedRequest;
  /** When its start was marked, Unix milliseconds; null: not yet. */
  startedAtMs: number | null;
  /** Earlier starts of the request whose workers died, as known since this one was marked. */
  crashes: number;
  /** Workers that had it died: it runs only beside deliveries that are above suspicion. */
  isSuspect: boolean;
  isCancelled: boolean;
  /** Aborts the call of the ML service. */
  call: AbortController;
  /** Aborts whatever is done for the delivery, publishing included: it has to go to another worker. */
  brokenOff: AbortController;
}

export function own(
  source: DeliverySource,
  delivery: Delivery,
  request: QueuedRequest,
): OwnedDelivery {
  return {
    source,
    delivery,
    request,
    startedAtMs: null,
    crashes: 0,
    isSuspect: isSuspect(delivery.deliveryCount),
    isCancelled: false,
    call: new AbortController(),
    brokenOff: new AbortController(),
  };
}

/** Lets the request end as soon as nothing has to be waited for; does no harm when it has ended already. */
export function cancel(owned: OwnedDelivery): void {
  owned.isCancelled = true;
  owned.call.abort();
}

/** Breaks off what is under way, so that the delivery goes back to the broker. */
export function breakOff(owned: OwnedDelivery): void {
  owned.call.abort();
  owned.brokenOff.abort();
}
