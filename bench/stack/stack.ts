import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { type Role, ROLES } from "../../local/roles.ts";
import type { Books } from "../../local/stack/books.ts";
import { type Stack, type StackOptions, startStack } from "../../local/stack/stack.ts";
import type { Sample } from "../figures.ts";
import { type Sampler, startSampler } from "./sampler.ts";
import type { BenchServers } from "./servers.ts";

export interface BenchStackOptions extends Omit<StackOptions, "servers" | "sharesGatewayPort"> {
  servers: BenchServers;
}

/** A stack of one scenario whose CPU, memory and queues are watched; its gateways share one port. */
export interface BenchStack extends Stack {
  /** Counts the process and its children as `label` in the samples. */
  watch: (pid: number, label: string) => void;
  samples: () => Sample[];
  /** Leaves out the samples of before, such as those of a warm-up. */
  restartSamples: () => void;
}

/**
 * Starts a stack; every process is ready when this returns. What was started is gone again when it throws.
 */
export async function startBenchStack({
  servers,
  ...options
}: BenchStackOptions): Promise<BenchStack> {
  const stack = await startStack({ ...options, servers: servers.urls, sharesGatewayPort: true });
  const sampler = sampleStack(servers.labels, stack.books);
  const watchRole = (role: Role): void => {
    for (const one of stack.componentsOf(role)) {
      const pid = one.pid();
      if (pid !== undefined) sampler.watch(pid, role);
    }
  };
  ROLES.forEach(watchRole);
  return {
    ...stack,
    startRole: async (role) => {
      await stack.startRole(role);
      watchRole(role);
    },
    watch: sampler.watch,
    samples: sampler.samples,
    restartSamples: sampler.restart,
    stop: async () => {
      sampler.stop();
      await stack.stop();
    },
  };
}

function sampleStack(
  labels: Map<number, string>,
  { broker, queues: { requests, results } }: Books,
): Sampler {
  return startSampler({
    labels: new Map([...labels, [process.pid, "bench"]]),
    readQueues: async () => {
      const depths = await queueDepths(broker, [requests.name, results.name]);
      const ready = (name: string): number => depths.get(name)?.ready ?? 0;
      return { requests: ready(requests.name), results: ready(results.name) };
    },
  });
}
