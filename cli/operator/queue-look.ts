import { lookThrough, queueDepths } from "../../adapters/amqp/inspect.ts";
import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import { formatNumber } from "../../adapters/terminal/table.ts";

/** What can be told of the queues without disturbing them. */
export interface QueueLook {
  /** Messages that no consumer holds, by queue; null: there is no such queue. */
  ready: Record<string, number | null>;
  /** Sum over the queues on the path of a request. */
  readyOnPath: number;
}

const deadQueues = ({ requestsDead, resultsDead }: Topology): string[] => [
  requestsDead.name,
  resultsDead.name,
];

export async function lookAtQueues(amqp: AmqpConnection, queues: Topology): Promise<QueueLook> {
  const declared = queues.queues.map(({ name }) => name);
  const ofBefore = queues.retriesOfBefore.map(({ name }) => name);
  const depths = await queueDepths(amqp, [...declared, ...ofBefore]);
  // A queue of the version before may well be missing.
  const names = [...declared, ...ofBefore.filter((name) => depths.get(name) !== null)];
  const ready = Object.fromEntries(names.map((name) => [name, depths.get(name)?.ready ?? null]));
  const dead = deadQueues(queues);
  const readyOnPath = names
    .filter((name) => !dead.includes(name))
    .reduce((sum, name) => sum + (ready[name] ?? 0), 0);
  return { ready, readyOnPath };
}

/**
 * The request ids of dead letters. Other queues are not looked into: reading a message and giving it back
 * counts as a delivery there, and too many of those fail the request. A letter without an id names no
 * request, so there is nothing to compare.
 */
export async function browseDeadLetters(
  amqp: AmqpConnection,
  queues: Topology,
  limit: number,
): Promise<{ queue: string; requestId: string }[]> {
  const found: { queue: string; requestId: string }[] = [];
  const { ready } = await lookAtQueues(amqp, queues);
  for (const queue of deadQueues(queues)) {
    // Asking a queue that is not there would be an error.
    if (ready[queue] === null) continue;
    await lookThrough(amqp, queue, { limit: limit - found.length }, ({ messageId }) => {
      if (typeof messageId === "string" && UUID.test(messageId))
        found.push({ queue, requestId: messageId });
    });
  }
  return found;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Every message on the path belongs to an open request, or it is a duplicate, which changes nothing: so more
 * messages than open requests are worth a look, but no proof of an error.
 */
export function describeQueues({ ready, readyOnPath }: QueueLook, openRequests: number): string[] {
  const filled = Object.entries(ready).filter(([, count]) => count !== null && count > 0);
  const lines = filled.map(([name, count]) => `  ${name}: ${formatNumber(count ?? 0)} ready`);
  const missing = Object.entries(ready).filter(([, count]) => count === null);
  if (missing.length > 0)
    lines.push(`  not there (yet): ${missing.map(([name]) => name).join(", ")}`);
  const [messages, requests] = [readyOnPath, openRequests].map(formatNumber);
  const verdict =
    readyOnPath <= openRequests
      ? `not more than the ${requests} open requests`
      : `but only ${requests} requests open: duplicates (harmless), or messages of requests that ` +
        "PostgreSQL has lost; look again when the queues are empty";
  return [`queues    ${messages} messages ready on the path, ${verdict}`, ...lines];
}
