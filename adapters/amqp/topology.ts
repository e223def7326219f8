import type { Channel } from "amqplib";
import { isAmqpError } from "./broker-fault.ts";

export interface QueueSpec {
  name: string;
  arguments: Readonly<Record<string, string | number>>;
  /** A durable fanout exchange of this name feeds the queue, and no other. */
  exchange?: string;
}

export interface Topology {
  /** Attempts of the default model. */
  requests: QueueSpec;
  /**
   * Attempts of a model, whether the configuration knows it or not; at the delivery limit they go to
   * `results`, where the collector fails the request.
   */
  requestsOf: (model: string) => QueueSpec;
  /** Each model of the configuration with its queue, the default one first. */
  models: readonly { model: string; queue: QueueSpec }[];
  /** Requests that workers put off, until the keeper stores them as parked. */
  parking: QueueSpec;
  /** Ends of requests as workers saw them; what no collector can read goes to `resultsDead`. */
  results: QueueSpec;
  /** Requests that failed for good, for people to look at. */
  requestsDead: QueueSpec;
  resultsDead: QueueSpec;
  /**
   * One queue per distinct delay, for all models: published to its exchange with the name of the model's
   * queue as the routing key, a message comes to that queue after `delayMs` at the latest. While that queue
   * is missing the message stays, and RabbitMQ tries again every three minutes (3.10 and 4.0).
   */
  waits: readonly Wait[];
  /**
   * Delay queues of the version before, which come back to `requests`. Never declared: they exist where that
   * version ran, and run dry.
   */
  retriesOfBefore: readonly { delayMs: number; name: string }[];
  /** All that are declared, in that order: a queue comes after those it always dead-letters to. */
  queues: readonly QueueSpec[];
}

export interface Wait {
  delayMs: number;
  exchange: string;
  queue: QueueSpec;
}

export interface TopologyOptions {
  /** Put before every queue name, to share a broker. */
  prefix: string;
  defaultModel: string;
  /** The models of the configuration; the default one is one of them, named or not. */
  models: readonly string[];
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
const DEAD_LETTERS: QueueSpec["arguments"] = {
  "x-dead-letter-exchange": "",
  "x-dead-letter-strategy": "at-least-once",
  "x-overflow": "reject-publish",
};

const deadLettersTo = (target: QueueSpec): QueueSpec["arguments"] => ({
  ...DEAD_LETTERS,
  "x-dead-letter-routing-key": target.name,
});

/**
 * Every queue of the system as data. Works on RabbitMQ 3.10 (the first with TTL and at-least-once on quorum
 * queues) and later; the tests of this folder passed on 3.10.8 and 4.0.5.
 */
export function topology({
  prefix,
  defaultModel,
  models,
  retryDelaysMs,
}: TopologyOptions): Topology {
  const requestsName = `${prefix}inference_requests`;
  const unlimited = { "x-delivery-limit": DEAD_DELIVERIES_MAX };
  const requestsDead = quorum(`${requestsName}.dead`, unlimited);
  const resultsDead = quorum(`${prefix}inference_results.dead`, unlimited);
  const results = quorum(`${prefix}inference_results`, {
    ...deadLettersTo(resultsDead),
    "x-delivery-limit": RESULT_DELIVERIES_MAX,
  });
  // A keeper that cannot store what it took gives it back; no number of times makes that its request's fault.
  const parking = quorum(`${requestsName}.parking`, unlimited);
  const requestsArguments = {
    ...deadLettersTo(results),
    "x-delivery-limit": REQUEST_DELIVERIES_MAX,
  };
  const requests = quorum(requestsName, requestsArguments);
  const byModel = new Map([[defaultModel, requests]]);
  const otherRequests = (model: string): QueueSpec =>
    quorum(`${requestsName}.model.${model}`, requestsArguments);
  for (const model of models) if (model !== defaultModel) byModel.set(model, otherRequests(model));
  const delaysMs = [...new Set(retryDelaysMs)];
  const waits = delaysMs.map((delayMs) => waitOf(prefix, delayMs));
  return {
    requests,
    requestsOf: (model) => byModel.get(model) ?? otherRequests(model),
    models: [...byModel].map(([model, queue]) => ({ model, queue })),
    parking,
    results,
    requestsDead,
    resultsDead,
    waits,
    retriesOfBefore: delaysMs.map((delayMs) => ({
      delayMs,
      name: `${requestsName}.retry.${delayMs}`,
    })),
    queues: [
      requestsDead,
      resultsDead,
      results,
      parking,
      ...byModel.values(),
      ...waits.map(({ queue }) => queue),
    ],
  };
}

/**
 * Where a message waits for `delayMs` at most. Its queue has no dead-letter routing key of its own, so that
 * each message keeps that of its publish, the queue of its model; a publish to the queue itself would come
 * back to it, hence the exchange.
 */
export function waitOf(prefix: string, delayMs: number): Wait {
  const name = `${prefix}inference_requests.wait.${delayMs}`;
  const queue = quorum(name, { ...DEAD_LETTERS, "x-message-ttl": delayMs });
  return { delayMs, exchange: name, queue: { ...queue, exchange: name } };
}

/** A queue or an exchange exists with other arguments than ours: only the operator can mend that. */
export class TopologyMismatchError extends Error {
  override readonly name = "TopologyMismatchError";

  constructor(what: string, remedy: string, cause: Error) {
    super(
      `${what} exists with other arguments (${cause.message}): ${remedy}, ` +
        "or set another amqp.queue_prefix",
      { cause },
    );
  }
}

/** Uses a channel of its own, within a limit, and closes it afterwards. */
export type WithChannel = <T>(
  use: (channel: Channel) => Promise<T>,
  withinMs?: number,
) => Promise<T>;

const PRECONDITION_FAILED = 406;

/**
 * Declares the queues one by one, with their exchanges; those that exist with these arguments are left as
 * they are.
 *
 * @throws {TopologyMismatchError} for the first one that exists with other arguments
 * @throws {Fault} BROKER_UNAVAILABLE otherwise
 */
export async function declareTopology(
  withChannel: WithChannel,
  queues: readonly QueueSpec[],
): Promise<void> {
  for (const queue of queues) await withChannel((channel) => declareQueue(channel, queue));
}

async function declareQueue(
  channel: Channel,
  { name, arguments: args, exchange }: QueueSpec,
): Promise<void> {
  await unlessMismatched(
    `the queue ${name}`,
    "drain and delete it",
    channel.assertQueue(name, { durable: true, arguments: args }),
  );
  if (exchange === undefined) return;
  await unlessMismatched(
    `the exchange ${exchange}`,
    "delete it",
    channel.assertExchange(exchange, "fanout", { durable: true }),
  );
  await channel.bindQueue(name, exchange, "");
}

async function unlessMismatched(
  what: string,
  remedy: string,
  declaring: Promise<unknown>,
): Promise<void> {
  try {
    await declaring;
  } catch (error) {
    if (isAmqpError(error, PRECONDITION_FAILED))
      throw new TopologyMismatchError(what, remedy, error);
    throw error;
  }
}
