import type { Channel } from "amqplib";
import { isAmqpError } from "./broker-fault.ts";

export interface QueueSpec {
  name: string;
  arguments: Readonly<Record<string, string | number>>;
}

export interface Topology {
  /** Attempts to make; at the delivery limit they go to `results`, where the collector fails the request. */
  requests: QueueSpec;
  /** Ends of requests as workers saw them; what no collector can read goes to `resultsDead`. */
  results: QueueSpec;
  /** Requests that failed for good, for people to look at. */
  requestsDead: QueueSpec;
  resultsDead: QueueSpec;
  /** One delay queue per distinct delay; a message comes back to `requests` after `delayMs` at the latest. */
  retries: readonly { delayMs: number; queue: QueueSpec }[];
  /** All of them, in the order in which they are declared: a queue comes after those it dead-letters to. */
  queues: readonly QueueSpec[];
}

export interface TopologyOptions {
  /** Put before every queue name, to share a broker. */
  prefix: string;
  /** `retry.delays_ms` of the configuration; repeated values share a queue. */
  retryDelaysMs: readonly number[];
}

/**
 * How often a message may come back unacknowledged before the broker takes it away. A backstop behind the
 * worker's own `crashes_max`: a lost connection counts against every message that its process owned, so the
 * limit must outlast a few bad days of the network.
 */
const REQUEST_DELIVERIES_MAX = 20;
/**
 * Higher: a collector owns 1000 results at once and restarts with PostgreSQL; only a result that no collector
 * survives must go.
 */
const RESULT_DELIVERIES_MAX = 200;
/**
 * Reading a dead letter and putting it back counts as a delivery, and without a limit of its own a queue of
 * RabbitMQ 4 has one of 20, after which the message is dropped. `-1` (none) is new in 4.0; this number means
 * the same on 3.10 as well.
 */
const DEAD_DELIVERIES_MAX = 1_000_000_000;

const quorum = (name: string, more: QueueSpec["arguments"]): QueueSpec => ({
  name,
  arguments: { "x-queue-type": "quorum", ...more },
});

/**
 * Sends dead letters through the default exchange. At-least-once keeps a message until its target has
 * confirmed it; it needs a quorum queue with `overflow: reject-publish`
 * (https://www.rabbitmq.com/docs/quorum-queues#dead-lettering). Without it a dead-lettered message is
 * published unconfirmed and may be lost.
 */
const deadLettersTo = (target: Pick<QueueSpec, "name">): QueueSpec["arguments"] => ({
  "x-dead-letter-exchange": "",
  "x-dead-letter-routing-key": target.name,
  "x-dead-letter-strategy": "at-least-once",
  "x-overflow": "reject-publish",
});

/**
 * Every queue of the system as data. Works on RabbitMQ 3.10 (the first with TTL and at-least-once on quorum
 * queues) and later.
 */
export function topology({ prefix, retryDelaysMs }: TopologyOptions): Topology {
  const unlimited = { "x-delivery-limit": DEAD_DELIVERIES_MAX };
  const requestsDead = quorum(`${prefix}inference_requests.dead`, unlimited);
  const resultsDead = quorum(`${prefix}inference_results.dead`, unlimited);
  const results = quorum(`${prefix}inference_results`, {
    ...deadLettersTo(resultsDead),
    "x-delivery-limit": RESULT_DELIVERIES_MAX,
  });
  const requests = quorum(requestsName(prefix), {
    ...deadLettersTo(results),
    "x-delivery-limit": REQUEST_DELIVERIES_MAX,
  });
  const retries = [...new Set(retryDelaysMs)].map((delayMs) => ({
    delayMs,
    queue: retryQueue(prefix, delayMs),
  }));
  const queues = [requestsDead, resultsDead, results, requests, ...retries.map((r) => r.queue)];
  return { requests, results, requestsDead, resultsDead, retries, queues };
}

const requestsName = (prefix: string): string => `${prefix}inference_requests`;

/** The queue in which a message waits for `delayMs` at most before it comes back to the requests. */
export function retryQueue(prefix: string, delayMs: number): QueueSpec {
  const requests = requestsName(prefix);
  return quorum(`${requests}.retry.${delayMs}`, {
    ...deadLettersTo({ name: requests }),
    "x-message-ttl": delayMs,
  });
}

/** A queue exists with other arguments than ours: only the operator can mend that. */
export class TopologyMismatchError extends Error {
  override readonly name = "TopologyMismatchError";
  readonly queue: string;

  constructor(queue: string, brokerText: string, options: ErrorOptions) {
    super(
      `the queue ${queue} exists with other arguments (${brokerText}): ` +
        "drain and delete it, or set another amqp.queue_prefix",
      options,
    );
    this.queue = queue;
  }
}

/** Uses a channel of its own and closes it afterwards. */
export type WithChannel = <T>(use: (channel: Channel) => Promise<T>) => Promise<T>;

const PRECONDITION_FAILED = 406;

/**
 * Declares the queues one by one; those that exist with these arguments are left as they are.
 *
 * @throws {TopologyMismatchError} for the first one that exists with other arguments
 * @throws {Fault} BROKER_UNAVAILABLE otherwise
 */
export async function declareTopology(
  withChannel: WithChannel,
  queues: readonly QueueSpec[],
): Promise<void> {
  for (const queue of queues) {
    await withChannel(async (channel) => {
      try {
        await channel.assertQueue(queue.name, { durable: true, arguments: queue.arguments });
      } catch (error) {
        if (isAmqpError(error, PRECONDITION_FAILED))
          throw new TopologyMismatchError(queue.name, error.message, { cause: error });
        throw error;
      }
    });
  }
}
