import type { MessagePorts } from "../support/fakes/messages.ts";

/** `requests`: those of the model of the samples, which is not the default one. */
export type QueueName = "requests" | "parking" | "results" | "requestsDead" | "resultsDead";

/** Messages between the services, with delay queues of 200 ms and a minute. All queues are empty. */
export interface MessagesSubject extends MessagePorts {
  /** Publishes a message of that type that this version cannot read. */
  publishUnreadable: (
    queue: "requests" | "results",
    message: { type: "request" | "result"; requestId: string; isNewer: boolean },
  ) => Promise<void>;
  /** Messages of the queue that nobody owns. */
  ready: (queue: QueueName) => Promise<number>;
  /** Every channel of a consumer is lost, and subscribes again. */
  cutConsumers: () => void;
  /** The broker goes away from those who publish, or comes back to them; resolves when they know. */
  setAway: (isAway: boolean) => Promise<void>;
  /** Lets time pass until it is true; throws when that takes long. */
  until: (isTrue: () => boolean | Promise<boolean>) => Promise<void>;
  stop: () => Promise<void>;
}

export const STEP_MS = 200;
export const LONG_STEP_MS = 60_000;
