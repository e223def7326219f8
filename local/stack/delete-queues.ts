import type { QueueSpec, WithChannel } from "../../adapters/amqp/topology.ts";

/** Deletes queues with all that is in them, and their exchanges. @throws {Fault} BROKER_UNAVAILABLE */
export async function deleteQueues(
  withChannel: WithChannel,
  queues: readonly Pick<QueueSpec, "name" | "exchange">[],
): Promise<void> {
  for (const { name, exchange } of queues) {
    await withChannel(async (channel) => {
      await channel.deleteQueue(name);
      if (exchange !== undefined) await channel.deleteExchange(exchange);
    });
  }
}
