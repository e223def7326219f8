import type { GaugePorts, Process } from "../ports.ts";
import type { Duty } from "./duty.ts";

/** Shows what only one process has to count: how deep the queues and the outbox are. */
export function createGauges(ports: GaugePorts & Process, { everyMs }: { everyMs: number }): Duty {
  const { metrics } = ports;
  return {
    name: "gauges",
    everyMs,
    run: async () => {
      metrics.outbox_depth.set(await ports.outboxDepth());
      for (const { queue, ready } of await ports.queueDepths()) {
        metrics.queue_depth.set(ready, queue);
      }
    },
  };
}
