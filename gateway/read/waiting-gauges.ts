import { type DatedWork, runnableOf, slowedUsersOf, type Work } from "../../core/queue/waiting.ts";
import { repeat } from "../../runtime/repeat.ts";
import { restAfterMs } from "../../runtime/rest.ts";
import type { GatewayPorts } from "../ports.ts";
import type { ModelWatch } from "./model-watch.ts";

type Ports = Pick<
  GatewayPorts,
  "config" | "log" | "metrics" | "now" | "schedule" | "waitingByModel" | "parkedWork"
>;

/**
 * Every gateway reads all open requests for this, so not more often; workers are scaled at such a pace
 * anyway.
 */
const REFRESH_MS = 5_000;
const NOTHING_WAITS: DatedWork = { requests: 0, tokens: 0, oldestCreatedAtMs: null };

/**
 * Keeps the gauges of what waits fresh, and of what of it could run: they scale workers, also from zero, so a
 * configured model without requests shows 0 rather than nothing. All gateways show the same numbers; take
 * their `max`, not their sum. While PostgreSQL is away the last values stay.
 */
export function createWaitingGauges(
  ports: Ports,
  models: Pick<ModelWatch, "factsOf">,
): { start: () => void; stop: () => void } {
  const { metrics } = ports;
  /** Models shown so far: one that is no longer configured goes to 0 once nothing waits for it. */
  const shown = new Set<string>();

  let tookMs = 0;

  /** What the users in trouble of their own have parked, by model. */
  async function readSlowed(): Promise<Map<string, Work[]>> {
    const lines = [...shown].flatMap((model) =>
      slowedUsersOf(models.factsOf(model)).map((userId) => ({ model, userId })),
    );
    const parked = lines.length === 0 ? [] : await ports.parkedWork(lines);
    const byModel = new Map<string, Work[]>();
    lines.forEach(({ model }, index) => {
      const work = parked[index];
      if (work !== undefined) byModel.set(model, [...(byModel.get(model) ?? []), work]);
    });
    return byModel;
  }

  async function refresh(): Promise<void> {
    const startedAtMs = ports.now();
    try {
      const waiting = await ports.waitingByModel();
      const byModel = new Map(waiting.map((model) => [model.model, model]));
      for (const model of [...Object.keys(ports.config().models), ...byModel.keys()])
        shown.add(model);
      const slowed = await readSlowed();
      const nowMs = ports.now();
      let [oldestMs, oldestRunnableMs] = [nowMs, nowMs];
      for (const model of shown) {
        const { requests, tokens, oldestCreatedAtMs } = byModel.get(model) ?? NOTHING_WAITS;
        metrics.gateway_tokens_waiting.set(tokens, model);
        metrics.gateway_requests_waiting.set(requests, model);
        oldestMs = Math.min(oldestMs, oldestCreatedAtMs ?? nowMs);
        const runnable = runnableOf(
          { requests, tokens, oldestCreatedAtMs },
          models.factsOf(model),
          slowed.get(model) ?? [],
        );
        metrics.gateway_tokens_runnable.set(runnable.tokens, model);
        metrics.gateway_requests_runnable.set(runnable.requests, model);
        oldestRunnableMs = Math.min(oldestRunnableMs, runnable.oldestCreatedAtMs ?? nowMs);
      }
      metrics.gateway_oldest_waiting_seconds.set((nowMs - oldestMs) / 1_000);
      metrics.gateway_oldest_runnable_seconds.set((nowMs - oldestRunnableMs) / 1_000);
    } catch (error) {
      ports.log.warn({ err: error }, "cannot read what waits; the gauges keep their last values");
    }
    tookMs = ports.now() - startedAtMs;
  }

  let stop = (): void => {};
  return {
    start: () => {
      void refresh();
      // Where reading them takes long, because a million wait, it takes a tenth of the time and no more.
      stop = repeat(ports.schedule, refresh, () => Math.max(REFRESH_MS, restAfterMs(tookMs)));
    },
    stop: () => stop(),
  };
}
