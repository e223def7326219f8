import { queueDepths } from "../../adapters/amqp/inspect.ts";
import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { encodeRequest } from "../../adapters/amqp/messages.ts";
import { createPublisher, type Publisher } from "../../adapters/amqp/publisher.ts";
import { declareTopology, type Topology } from "../../adapters/amqp/topology.ts";
import { queuedBefore, standings } from "../../adapters/postgres/open-requests.ts";
import { listUsers } from "../../adapters/postgres/users.ts";
import { createLiveQuota } from "../../adapters/quota/live-quota.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { Operation } from "../operator/operate.ts";
import { tiersInForce } from "../operator/tiers.ts";
import { siftRestored } from "./sift-restored.ts";

/** What was done to Redis and RabbitMQ. */
export interface BroughtTogether {
  /** Users whose counters and holds were built from PostgreSQL. */
  usersRebuilt: number;
  /** Messages of requests that PostgreSQL does not know, by queue. */
  orphans: ReadonlyMap<string, number>;
  /** Messages of requests that had ended by that moment. */
  leftovers: number;
  /** Messages that stayed. */
  kept: number;
  /** Requests that were open and in no queue. */
  published: number;
}

const PAGE_MAX = 200;
const PUBLISH_BYTES_MAX = 16 * 1024 * 1024;
/** A clock may be behind the one that stamped a request. */
const SKEW_MS = 60_000;

/**
 * Makes Redis and RabbitMQ fit a PostgreSQL that was set back. Nothing else may be at work. It may be
 * repeated: what was published twice is executed once more at worst, and billed once.
 *
 * @throws {CommandFailure} when somebody consumes a queue
 * @throws {Fault} when a server does not answer
 */
export async function bringTogether(operation: Operation): Promise<BroughtTogether> {
  const { queues, config } = operation;
  const amqp = await operation.amqp();
  // A broker that was lost comes back empty.
  await declareTopology(amqp.withChannel, queues.queues);
  await untilCounted(amqp, queues);
  const usersRebuilt = await rebuildUsers(operation);
  const publisher = createPublisher(amqp, {
    channels: 1,
    messagesMax: PAGE_MAX,
    bytesMax: PUBLISH_BYTES_MAX,
    confirmTimeoutMs: config.amqp.confirm_timeout_ms,
    signatures: operation.signatures(),
  });
  try {
    const sifted = await siftRestored({
      amqp,
      queues,
      publisher,
      standings: (ids) => standings(operation.database, ids),
    });
    const published = await publishMissing(operation, publisher, sifted.waiting);
    const { orphans, leftovers, kept } = sifted;
    return { usersRebuilt, orphans, leftovers, kept, published };
  } finally {
    await publisher.close();
  }
}

const COUNT_PERIOD_MS = 250;
const EQUAL_COUNTS = 4;
const COUNT_LIMIT_MS = 30_000;

/**
 * A broker that has just started counts too early: a queue seems empty until its log is read.
 *
 * @throws {CommandFailure} when somebody consumes a queue, or the counts do not come to rest
 */
async function untilCounted(amqp: AmqpConnection, { queues }: Topology): Promise<void> {
  const names = queues.map(({ name }) => name);
  const deadlineMs = Date.now() + COUNT_LIMIT_MS;
  let last = "";
  let equal = 0;
  while (equal < EQUAL_COUNTS) {
    const depths = [...(await queueDepths(amqp, names))];
    const busy = depths.filter(([, depth]) => (depth?.consumers ?? 0) > 0);
    if (busy.length > 0)
      throw new CommandFailure(
        `workers or collectors consume ${busy.map(([name]) => name).join(", ")}: stop them first`,
        { exitCode: EXIT.usage },
      );
    const now = depths.map(([, depth]) => depth?.ready).join();
    equal = now === last ? equal + 1 : 1;
    last = now;
    if (Date.now() > deadlineMs)
      throw new CommandFailure(
        "the queues do not come to rest: is somebody publishing? Run this again",
      );
    await Bun.sleep(COUNT_PERIOD_MS);
  }
}

/**
 * Redis forgets everything: hints and marks speak of what has not happened, and a cached key may belong to a
 * user who does not exist. That a hold is gone would even prove a request refused (`findRefused`).
 */
async function rebuildUsers(operation: Operation): Promise<number> {
  const { database } = operation;
  const redis = await operation.redis();
  await redis.run(({ client }) => client.flushdb());
  const limits = await tiersInForce(operation);
  const { gate } = createLiveQuota(redis, database, () => limits);
  let rebuilt = 0;
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listUsers>> = await listUsers(database, after, PAGE_MAX);
    await Promise.all(page.items.map(({ userId }) => gate.readOrRebuild(userId)));
    rebuilt += page.items.length;
    after = page.next;
  } while (after !== null);
  return rebuilt;
}

/** Publishes the open requests that are neither parked nor in a queue. */
async function publishMissing(
  { database, config, queues }: Operation,
  publisher: Publisher,
  waiting: ReadonlySet<string>,
): Promise<number> {
  const models = Object.keys(config.models);
  const createdBeforeMs = Date.now() + SKEW_MS;
  let published = 0;
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof queuedBefore>> = await queuedBefore(
      database,
      createdBeforeMs,
      models,
      after,
      PAGE_MAX,
    );
    const missing = page.items.filter(({ head }) => !waiting.has(head.requestId));
    await Promise.all(
      missing.map((request) =>
        publisher.publish(queues.requestsOf(request.head.model).name, encodeRequest(request)),
      ),
    );
    published += missing.length;
    after = page.next;
  } while (after !== null);
  return published;
}
