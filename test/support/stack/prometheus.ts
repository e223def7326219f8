import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  countSeries,
  prometheusCommand,
  prometheusConfig,
  type ScrapeTargets,
} from "../../../local/observe/prometheus.ts";
import { findFreePorts } from "../../../local/processes/ports.ts";
import { WITH_PARENT } from "../../../local/processes/processes.ts";
import { eventually } from "../../../local/stack/eventually.ts";
import type { Stack } from "../../../local/stack/stack.ts";

export interface RunningPrometheus {
  url: string;
  /** Ends it and removes its data. */
  stop: () => Promise<void>;
}

const READY_LIMIT_MS = 20_000;
const LOG_TAIL_CHARS = 2_000;

/** Queues of a stack of tests have a prefix; rules and triggers mean those without. */
const WITHOUT_PREFIX = {
  source_labels: ["queue"],
  regex: String.raw`test-\w+\.(.+)`,
  target_label: "queue",
};

function targetsOf({ gateways, workers, collectors }: Stack): ScrapeTargets {
  const urls = (components: Stack["gateways"]): string[] =>
    components.map(({ metricsUrl }) => metricsUrl);
  return { gateway: urls(gateways), worker: urls(workers), collector: urls(collectors) };
}

/** A Prometheus that reads a stack as that of `./tollgate up --observe` does. It ends with this process. */
export async function startPrometheus(program: string, stack: Stack): Promise<RunningPrometheus> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-prometheus-"));
  const configPath = join(folder, "prometheus.yml");
  const logPath = join(folder, "prometheus.log");
  const [port = 0] = await findFreePorts(1);
  const url = `http://127.0.0.1:${port}`;
  writeFileSync(configPath, prometheusConfig(targetsOf(stack), { relabelings: [WITHOUT_PREFIX] }));
  const log = openSync(logPath, "a");
  const child = Bun.spawn(
    [...WITH_PARENT, ...prometheusCommand(program, { configPath, folder, port })],
    { cwd: folder, stdin: "ignore", stdout: log, stderr: log },
  );
  closeSync(log);
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually("Prometheus answers", READY_LIMIT_MS, async () => {
      if (child.exitCode !== null) throw new Error("it ended");
      return countSeries(url, "vector(1)", READY_LIMIT_MS);
    });
    return { url, stop };
  } catch (error) {
    const tail = readFileSync(logPath, "utf8").slice(-LOG_TAIL_CHARS);
    await stop();
    throw new Error(`Prometheus did not start\n${tail}`, { cause: error });
  }
}
