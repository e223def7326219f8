import { deleteQueues } from "../../local/stack/delete-queues.ts";
import { uniqueQueuePrefix } from "../../local/stack/queue-prefix.ts";
import { amqpUrl } from "./servers.ts";
import { silentLog } from "../../runtime/log.ts";
import {
  connectAmqp,
  type AmqpConnection,
  type AmqpOptions,
} from "../../adapters/amqp/connection.ts";
import {
  createConsumer,
  type Consumer,
  type ConsumerOptions,
} from "../../adapters/amqp/consumer.ts";
import type { Delivery } from "../../adapters/amqp/delivery.ts";
import { topology, declareTopology, type Topology } from "../../adapters/amqp/topology.ts";

/** The real broker with queues of one test file's own, and everything to tidy up afterwards. */
export interface TestBroker {
  url: string;
  prefix: string;
  queues: Topology;
  /** A connection that is up, closed by `stop`. */
  connect: (options?: Partial<AmqpOptions>) => Promise<AmqpConnection>;
  stop: () => Promise<void>;
}

/** Declares a topology under a prefix that nobody else uses. */
export async function startTestBroker(
  retryDelaysMs: readonly number[],
  models: readonly string[] = [],
): Promise<TestBroker> {
  const url = amqpUrl();
  const prefix = uniqueQueuePrefix();
  const queues = topology({ prefix, defaultModel: "default", models, retryDelaysMs });
  const connections: AmqpConnection[] = [];
  const connect: TestBroker["connect"] = async (options = {}) => {
    const connection = connectAmqp({
      url,
      heartbeatSeconds: 20,
      name: "test",
      log: silentLog,
      ...options,
    });
    connections.push(connection);
    await connection.whenUp(5_000);
    return connection;
  };
  const own = await connect();
  await declareTopology(own.withChannel, queues.queues);
  return {
    url,
    prefix,
    queues,
    connect,
    stop: async () => {
      await deleteQueues(own.withChannel, queues.queues);
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

/** Subscribes and keeps what arrives, unsettled. */
export function collectDeliveries(
  connection: AmqpConnection,
  queue: string,
  options: Partial<ConsumerOptions> = {},
): { deliveries: Delivery[]; consumer: Consumer } {
  const deliveries: Delivery[] = [];
  const consumer = createConsumer(connection, {
    queue,
    prefetch: 100,
    onDelivery: (delivery) => deliveries.push(delivery),
    ...options,
  });
  return { deliveries, consumer };
}
