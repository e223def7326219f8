import type { Config } from "../../core/config/schema.ts";
import type { Log } from "../../runtime/log.ts";
import type { LiveConfig } from "../config/load.ts";
import { type AmqpConnection, type AmqpServer, connectAmqp } from "../amqp/connection.ts";
import {
  declareTopology,
  type Topology,
  topology,
  TopologyMismatchError,
} from "../amqp/topology.ts";
import { after } from "./timers.ts";

/** How long one look at a start waits for a server; it looks again until that is there. */
export const START_LOOK_MS = 2_000;
/** Pause before queues that could not be declared after a reload are declared again. */
const REDECLARE_MS = 5_000;

/** What the queues follow from. */
export type QueueConfig = Pick<Config, "amqp" | "retry" | "models" | "default_model">;

/** The queues of a configuration. */
export const topologyOf = ({ amqp, retry, models, default_model }: QueueConfig): Topology =>
  topology({
    prefix: amqp.queue_prefix,
    defaultModel: default_model,
    models: Object.keys(models),
    retryDelaysMs: retry.delays_ms,
  });

/**
 * Opens a connection that declares the queues of the configuration each time it is made. Consumers and
 * publishers need a connection each: back-pressure stops a whole connection.
 */
export function openBroker(
  config: () => QueueConfig,
  server: AmqpServer,
  name: string,
  log: Log,
): AmqpConnection {
  const { amqp } = config();
  return connectAmqp({
    ...server,
    heartbeatSeconds: amqp.heartbeat_seconds,
    name,
    log,
    // The rest of `amqp` stays as it was at the start.
    prepare: (withChannel) =>
      declareTopology(withChannel, topologyOf({ ...config(), amqp }).queues),
  });
}

/**
 * The queues of the configuration in force; those that a reload adds are declared on `connection` soon. The
 * queue of a model that a reload removes stays, with what waits in it.
 */
export function followQueues(
  config: Pick<LiveConfig, "current" | "onReload">,
  connection: Pick<AmqpConnection, "withChannel">,
  log: Log,
): () => Topology {
  const { amqp } = config.current();
  let queues = topologyOf(config.current());

  function declare(wanted: Topology): void {
    // A later reload declares its own.
    if (wanted !== queues) return;
    declareTopology(connection.withChannel, wanted.queues).catch((error: unknown) => {
      log.error({ err: error }, "the queues of the new configuration are not all there yet");
      // What exists with other arguments will do so again; the next connection tries once more.
      if (!(error instanceof TopologyMismatchError)) after(() => declare(wanted), REDECLARE_MS);
    });
  }

  config.onReload((next) => {
    queues = topologyOf({ ...next, amqp });
    declare(queues);
  });
  return () => queues;
}

/** How long it counts that a server has answered, or has not. */
const ANSWER_COUNTS_MS = 1_000;

/**
 * Tells whether a server answers, for readiness. It is asked at most once a second, whoever asks for it how
 * often: anybody may.
 */
export function createAnswers(
  ping: () => Promise<unknown>,
  now: () => number = () => performance.now(),
): () => Promise<boolean> {
  let answer: Promise<boolean> | undefined;
  let countsUntilMs = Number.POSITIVE_INFINITY;
  return () => {
    if (answer !== undefined && now() < countsUntilMs) return answer;
    countsUntilMs = Number.POSITIVE_INFINITY;
    answer = ping()
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        countsUntilMs = now() + ANSWER_COUNTS_MS;
      });
    return answer;
  };
}
