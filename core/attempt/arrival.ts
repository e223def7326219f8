import type { RequestError } from "../request/request.ts";

/** What is known of a delivery when its turn has come. */
export interface Arrival {
  /** 1-based attempt that the message stands for. */
  attempt: number;
  expiresAtMs: number;
  nowMs: number;
  /** How often the broker delivered this message before: lost channels and requeues. 0 at first. */
  deliveryCount: number;
  /**
   * How often an attempt of this request was started and neither finished nor given back: its worker died.
   */
  crashes: number;
  crashesMax: number;
  cancelled: boolean;
}

/** What to do with a delivery: run it, or end it without running. `dead` also goes to the dead letters. */
export type ArrivalVerdict =
  | { kind: "run" }
  | { kind: "end"; state: "cancelled" | "expired"; error: RequestError }
  | { kind: "dead"; error: RequestError };

/**
 * Deliveries after which a message is given up even if nobody counts crashes (Redis away). Below the delivery
 * limit of 20 that RabbitMQ 4 gives a quorum queue, so that a request ends with a result and not by silently
 * going to the dead letters.
 */
export const DELIVERIES_MAX = 16;

/**
 * From this count on a delivery runs only beside deliveries that are above suspicion, so that neighbours are
 * not blamed.
 */
const SUSPECT_DELIVERIES = 2;

export function isSuspect(deliveryCount: number): boolean {
  return deliveryCount >= SUSPECT_DELIVERIES;
}

/** Not started by its time; a request that a worker has started does not expire any more. */
export function isExpired(
  arrival: Pick<Arrival, "attempt" | "expiresAtMs" | "nowMs" | "crashes">,
): boolean {
  return arrival.attempt === 1 && arrival.crashes === 0 && arrival.nowMs > arrival.expiresAtMs;
}

/** Decides whether an attempt may start. Nothing that ends here was executed, so nothing is billed. */
export function judgeArrival(arrival: Arrival): ArrivalVerdict {
  if (arrival.cancelled) return { kind: "end", state: "cancelled", error: CANCELLED };
  if (isExpired(arrival)) return { kind: "end", state: "expired", error: EXPIRED };
  if (arrival.crashes >= arrival.crashesMax || arrival.deliveryCount >= DELIVERIES_MAX) {
    return { kind: "dead", error: CRASHED };
  }
  return { kind: "run" };
}

export const CANCELLED: RequestError = {
  code: "CANCELLED",
  message: "the request was cancelled",
};
const EXPIRED: RequestError = {
  code: "QUEUE_TTL_PASSED",
  message: "no worker could start the request within its queue_ttl",
};
export const CRASHED: RequestError = {
  code: "WORKER_CRASHED",
  message: "the request took down every worker that tried it",
};
export const PAYLOAD_UNREADABLE: RequestError = {
  code: "PAYLOAD_UNREADABLE",
  message: "the stored prompt could not be opened",
};
