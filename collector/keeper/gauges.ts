import type { GaugePorts, Process } from "../ports.ts";
import type { Duty } from "./duty.ts";

/** Shows what only one process has to count: how deep the queues and the outbox are. */
export function createGauges(ports: GaugePorts & Process, { everyMs }: { everyMs: number }): Duty {
  const { metrics } = ports;
  const shown = new Set<string>();
  return {
    name: "gauges",
    everyMs,
    run: async () => {
      metrics.outbox_depth.set(await ports.outboxDepth());
      const depths = await ports.queueDepths();
      for (const { queue, ready } of depths) {
        metrics.queue_depth.set(ready, queue);
        shown.add(queue);
      }
      // A delay queue that no configuration names any more, and that is empty by now.
      for (const queue of shown.difference(new Set(depths.map((depth) => depth.queue)))) {
        metrics.queue_depth.set(0, queue);
        shown.delete(queue);
      }
    },
    // Scaling takes the largest value of all collectors: an old one must not stay.
    end: () => {
      metrics.outbox_depth.set(0);
      for (const queue of shown) metrics.queue_depth.set(0, queue);
    },
  };
}
