import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { queueDepths } from "../../adapters/amqp/inspect.ts";
import type { QueueSpec, Topology } from "../../adapters/amqp/topology.ts";
import { topologyOf } from "../../adapters/process/connections.ts";
import type { Config } from "../../core/config/schema.ts";
import { createWatchedQueues, type WatchedQueue } from "../keeper/watched-queues.ts";
import type { KeeperPorts, QueueDepth } from "../ports.ts";

/**
 * Counts the queues in RabbitMQ. The delay queues are those of the configuration now, and of earlier ones;
 * all else about queues is that of the start, `amqp`.
 */
export function createQueueDepths(
  broker: AmqpConnection,
  amqp: Config["amqp"],
  config: () => Pick<Config, "retry">,
): KeeperPorts["queueDepths"] {
  const watched = createWatchedQueues({ now: Date.now });
  return async () => {
    const queues = watched.update(watchedOf(topologyOf({ amqp, retry: config().retry })));
    const depths = await queueDepths(
      broker,
      queues.map(({ queue }) => queue),
    );
    return queues.map(({ queue, kind }) => ({ queue, kind, ready: depths.get(queue)?.ready ?? 0 }));
  };
}

/** The queues by what they are for. */
function watchedOf({ requests, results, retries, requestsDead, resultsDead }: Topology) {
  const watch =
    (kind: QueueDepth["kind"], delayMs: number | null) =>
    ({ name }: QueueSpec): WatchedQueue => ({ queue: name, kind, delayMs });
  return [
    ...[requests, results].map(watch("path", null)),
    ...retries.map(({ delayMs, queue }) => watch("path", delayMs)(queue)),
    ...[requestsDead, resultsDead].map(watch("dead", null)),
  ];
}
