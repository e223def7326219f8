import type { ReachCrashPoint } from "../../runtime/crash-points.ts";
import { ConfigError } from "../../core/config/parse.ts";
import type { Log } from "../../runtime/log.ts";
import type { MetricRole } from "../../core/metrics.ts";
import { type LiveConfig, watchConfig } from "../config/load.ts";
import { createLog } from "../log/log.ts";
import { createMetricsRegistry, type MetricsRegistry } from "../metrics/registry.ts";
import { type Readiness, serveMetrics } from "../metrics/server.ts";
import { openTlsFiles } from "../tls/tls-files.ts";
import { createCrashPoints } from "./crash-points.ts";
import { createStartWait, type StartWait } from "./start-wait.ts";

type Environment = Record<string, string | undefined>;

/** With how to wait for what a start needs; readiness tells meanwhile what is missing. */
export interface RoleContext extends Pick<StartWait, "untilThere" | "untilDone"> {
  config: LiveConfig;
  env: Environment;
  log: Log;
  registry: MetricsRegistry;
  reach: ReachCrashPoint;
}

export interface RunningRole {
  readiness: () => Promise<Readiness>;
  /**
   * Stops in order; resolves when nothing is left. Bounded by `graceMs`, after which the process exits
   * anyway.
   */
  stop: () => Promise<void>;
  graceMs: number;
}

/** How long closing connections may take on top of the role's own grace. */
const EXIT_MARGIN_MS = 3_000;

/**
 * The life of one process: configuration, log, metrics port, signals. The metrics port answers from the
 * beginning; a role that waits for a server is alive and not ready. SIGTERM and SIGINT stop it gracefully; a
 * second one, or the end of the grace, stops it at once, and so does the first before the start is over.
 * SIGHUP reads the configuration again.
 */
export async function runRole(
  role: MetricRole,
  env: Environment,
  start: (context: RoleContext) => Promise<RunningRole>,
): Promise<void> {
  const log = createLog(role);
  process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled rejection"));
  // At once: to the first process of a container a signal that nobody handles is lost.
  let stop = (signal: string): void => {
    log.info({ signal }, "stopped before the start was over");
    process.exit(0);
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  try {
    const config = await watchConfig(env["TOLLGATE_CONFIG"] ?? "tollgate.yaml", env, log);
    log.setLevel(config.current().log_level);
    const registry = createMetricsRegistry(role);
    const { tls: files } = config.current().metrics;
    const tls =
      files &&
      (await openTlsFiles(files, { log, metrics: registry.metrics, name: "metrics port" }));
    const { host, metrics_port: port } = config.current()[role];
    const starting = createStartWait({ log, now: Date.now, pause: Bun.sleep });
    let running: RunningRole | undefined = undefined;
    const readiness = () => (running ?? starting).readiness();
    const metricsServer = serveMetrics({ host, port, registry, readiness, tls, log });

    process.on("SIGHUP", () => void config.reload());

    const started = await start({
      config,
      env,
      log,
      registry,
      reach: createCrashPoints(env),
      untilThere: starting.untilThere,
      untilDone: starting.untilDone,
    });
    running = started;
    let stopping = false;
    stop = (signal) => {
      if (stopping) {
        log.warn({ signal }, "second signal: exit at once");
        process.exit(1);
      }
      stopping = true;
      log.info({ signal }, "stopping");
      const { graceMs } = started;
      setTimeout(() => {
        log.error({ grace_ms: graceMs }, "the grace is over: exit with work left to others");
        process.exit(1);
      }, graceMs + EXIT_MARGIN_MS).unref();
      void started
        .stop()
        .catch((error: unknown) => log.error({ err: error }, "stopping failed"))
        .finally(() => {
          config.stop();
          void metricsServer.stop(true).finally(() => process.exit(0));
        });
    };
    log.info({ metrics_port: metricsServer.port }, "ready");
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
    else log.error({ err: error }, "cannot start");
    process.exit(1);
  }
}
