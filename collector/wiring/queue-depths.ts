import type { DepthReader } from "../../adapters/amqp/depth-reader.ts";
import type { QueueSpec, Topology } from "../../adapters/amqp/topology.ts";
import { createWatchedQueues, type WatchedQueue } from "../keeper/watched-queues.ts";
import type { KeeperPorts, QueueDepth } from "../ports.ts";

/** Counts the queues in RabbitMQ: those of the configuration in force, and of earlier ones for a while. */
export function createQueueDepths(
  reader: Pick<DepthReader, "read">,
  configured: () => Topology,
): KeeperPorts["queueDepths"] {
  const watched = createWatchedQueues({ now: Date.now });
  return async () => {
    const queues = watched.update(watchedOf(configured()));
    const depths = await reader.read(queues.map(({ queue }) => queue));
    return queues.map(({ queue, kind, model }) => ({
      queue,
      kind,
      model,
      ready: depths.get(queue)?.ready ?? 0,
    }));
  };
}

/** The queues by what they are for. */
function watchedOf({
  models,
  parking,
  results,
  waits,
  retriesOfBefore,
  requestsDead,
  resultsDead,
}: Topology): WatchedQueue[] {
  const watch =
    (kind: QueueDepth["kind"]) =>
    ({ name }: Pick<QueueSpec, "name">, delayMs: number | null = null): WatchedQueue => ({
      queue: name,
      kind,
      model: null,
      delayMs,
    });
  const [shared, wait, dead] = [watch("shared"), watch("wait"), watch("dead")];
  return [
    ...models.map(({ model, queue }) => ({ ...watch("model")(queue), model })),
    shared(parking),
    shared(results),
    ...waits.map(({ queue, delayMs }) => wait(queue, delayMs)),
    ...retriesOfBefore.map((retry) => wait(retry, retry.delayMs)),
    dead(requestsDead),
    dead(resultsDead),
  ];
}
