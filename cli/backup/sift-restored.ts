import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { encodeUnchanged } from "../../adapters/amqp/messages.ts";
import type { Publisher } from "../../adapters/amqp/publisher.ts";
import { type TakenMessage, takeReady } from "../../adapters/amqp/take-ready.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import type { RequestStanding } from "../../core/request/stored-request.ts";
import { isUuid } from "../operator/users.ts";

export interface SiftWorld {
  amqp: AmqpConnection;
  queues: Topology;
  publisher: Pick<Publisher, "publish" | "publishThrough">;
  /** In order; undefined: PostgreSQL has no such request. */
  standings: (requestIds: readonly string[]) => Promise<(RequestStanding | undefined)[]>;
}

export interface Sifted {
  /** Messages of unknown requests that were dropped, by queue. */
  orphans: Map<string, number>;
  /** Messages that were dropped because their request has ended. */
  leftovers: number;
  kept: number;
  /** The open requests that have a message. */
  waiting: Set<string>;
}

/** Messages in memory at once. */
const BATCH_MAX = 200;

/** A queue, and how a message goes back into it. */
interface Sieve {
  queue: string;
  /** Messages of requests that have ended are of no use. Dead letters of them are for people. */
  dropsEnded: boolean;
  putBack: (message: TakenMessage) => Promise<void>;
}

/**
 * Takes every message out of every queue and puts back what fits the database, in the order it was in. Each
 * is put back before it is taken, so that none is ever lost; an interruption leaves some twice, which changes
 * nothing. Queues of models that the configuration does not have are not looked into.
 */
export async function siftRestored(world: SiftWorld): Promise<Sifted> {
  const sifted: Sifted = { orphans: new Map(), leftovers: 0, kept: 0, waiting: new Set() };
  for (const sieve of sievesOf(world)) await siftOne(world, sieve, sifted);
  return sifted;
}

function sievesOf({ queues, publisher }: SiftWorld): Sieve[] {
  const plain = (queue: string, dropsEnded: boolean): Sieve => ({
    queue,
    dropsEnded,
    putBack: (message) => publisher.publish(queue, encodeUnchanged(message)),
  });
  return [
    ...queues.models.map(({ queue }) => plain(queue.name, true)),
    plain(queues.parking.name, true),
    plain(queues.results.name, true),
    ...queues.waits.map(({ queue, exchange }) => ({
      queue: queue.name,
      dropsEnded: true,
      // They wait anew; the key is the queue that they come to.
      putBack: (message: TakenMessage) =>
        publisher.publishThrough(exchange, nextQueueOf(queues, message), encodeUnchanged(message)),
    })),
    plain(queues.requestsDead.name, false),
    plain(queues.resultsDead.name, false),
  ];
}

function nextQueueOf(queues: Topology, { headers }: TakenMessage): string {
  const { model } = headers;
  return (typeof model === "string" ? queues.requestsOf(model) : queues.requests).name;
}

async function siftOne(world: SiftWorld, sieve: Sieve, sifted: Sifted): Promise<void> {
  const { amqp } = world;
  const { queue } = sieve;
  // What is put back comes to the end, so that counting says when all were seen.
  let left = (await queueDepths(amqp, [queue])).get(queue)?.ready ?? 0;
  while (left > 0) {
    const taken = await takeReady(amqp, queue, Math.min(left, BATCH_MAX), (messages) =>
      siftBatch(world, sieve, messages, sifted),
    );
    if (taken === 0) return;
    left -= taken;
  }
}

async function siftBatch(
  { standings }: SiftWorld,
  { queue, dropsEnded, putBack }: Sieve,
  messages: readonly TakenMessage[],
  sifted: Sifted,
): Promise<void> {
  const ids = messages.map(({ messageId }) => messageId).filter(isRequestId);
  const found = await standings(ids);
  const standingOf = new Map(ids.map((id, index) => [id, found[index]]));
  const toKeep = messages.filter(({ messageId: id }) => {
    // It names no request, so nothing can be said of it.
    if (!isRequestId(id)) return true;
    const standing = standingOf.get(id);
    const isOpen = standing?.state === "queued";
    if (standing === undefined) {
      sifted.orphans.set(queue, (sifted.orphans.get(queue) ?? 0) + 1);
      return false;
    }
    if (!isOpen && dropsEnded) {
      sifted.leftovers += 1;
      return false;
    }
    if (isOpen && dropsEnded) sifted.waiting.add(id);
    return true;
  });
  // The publisher keeps their order.
  await Promise.all(toKeep.map(putBack));
  sifted.kept += toKeep.length;
}

const isRequestId = (id: unknown): id is string => typeof id === "string" && isUuid(id);
