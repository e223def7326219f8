import type { Health } from "./health/health.ts";
import { observePauses } from "./health/observe-pauses.ts";
import type { WorkerPorts } from "./ports.ts";
import type { WorkerSnapshot } from "./snapshot.ts";

/** What a worker tells others of itself. */
export interface Signs {
  /** A sign of life for the dispatcher and for operators. Never rejects. */
  note: (snapshot: WorkerSnapshot) => Promise<void>;
  /** This worker takes no more work. Never rejects. */
  takeLeave: () => Promise<void>;
  /** Brings the gauges up to date. */
  observe: (snapshot: WorkerSnapshot) => void;
}

export function createSigns(
  ports: Pick<WorkerPorts, "workerId" | "host" | "noteWorker" | "forgetWorker" | "metrics" | "log">,
  {
    health,
    isCallable,
  }: {
    health: Pick<Health, "of" | "isPausedByOperator">;
    isCallable: (model: string) => boolean;
  },
): Signs {
  const { workerId, host, metrics } = ports;

  const unlessAway = (sign: Promise<void>): Promise<void> =>
    sign.catch((error: unknown) => {
      ports.log.debug({ err: error }, "a sign of this worker was not given");
    });

  return {
    note(snapshot) {
      const models = Object.entries(snapshot.models).map(([model, { limit, underWay, ended }]) => {
        const problem = isCallable(model) ? null : ("key_missing" as const);
        return [model, { problem, limit, underWay, ended }] as const;
      });
      return unlessAway(ports.noteWorker({ workerId, host, models: Object.fromEntries(models) }));
    },
    takeLeave: () => unlessAway(ports.forgetWorker(workerId)),
    observe({ actors, models }) {
      metrics.worker_actors.set(actors.idle, "idle");
      metrics.worker_actors.set(actors.busy, "busy");
      metrics.worker_actors.set(actors.draining, "draining");
      for (const [model, { limit, waiting }] of Object.entries(models)) {
        metrics.worker_concurrency_limit.set(limit, model);
        metrics.worker_deliveries_waiting.set(waiting, model);
        metrics.worker_model_callable.set(isCallable(model) ? 1 : 0, model);
        observePauses(metrics, health, model);
      }
    },
  };
}
