import type { LaneView } from "../core/queue/lane.ts";
import { type DatedHealth, HEALTHY } from "../core/queue/model-health.ts";
import { PAUSE_CAUSES, signsOf } from "../core/queue/model-signs.ts";
import { repeat } from "../runtime/repeat.ts";
import type { DispatchPorts, Process } from "./ports.ts";

export interface ModelGaugePorts extends Pick<DispatchPorts, "healthOf"> {
  /** undefined: there is none. */
  readView: () => Promise<LaneView | undefined>;
}

type Ports = ModelGaugePorts & Pick<Process, "now" | "schedule" | "log" | "metrics">;

const REFRESH_MS = 5_000;
const WELL: DatedHealth = { health: HEALTHY, atMs: 0 };

/**
 * Shows how the models are, and whether the dispatcher speaks. Every collector does, whether or not it is the
 * keeper: all of them read the same in Redis, and there are collectors while no worker runs. Take the `max`
 * of what they show of models, and the `min` of the dispatcher's silence. While Redis is away the last values
 * stay, and the silence grows.
 */
export function createModelGauges(
  ports: Ports,
  models: () => readonly string[],
): { start: () => void; stop: () => void } {
  const { metrics } = ports;
  /** Models shown so far: one that is no longer configured goes to 0. */
  const shown = new Set<string>();
  /** The dispatcher's own time of the last view, and ours when it came: two clocks are never compared. */
  let heard = { viewAtMs: 0, atMs: ports.now() };

  function show(model: string, view: LaneView | undefined, dated: DatedHealth): void {
    const lane = view?.models[model];
    const signs = signsOf(dated, (lane?.operatorPause ?? null) !== null);
    metrics.requests_parked.set(lane?.parked ?? 0, model);
    metrics.users_paused.set(signs.usersPaused, model);
    for (const cause of PAUSE_CAUSES) {
      metrics.model_paused.set(signs.pausedFor.has(cause) ? 1 : 0, model, cause);
      if (cause === "operator") continue;
      metrics.model_suspected.set(signs.suspectedOf === cause ? 1 : 0, model, cause);
    }
  }

  async function read(): Promise<void> {
    const configured = models();
    const [view, healths] = await Promise.all([ports.readView(), ports.healthOf(configured)]);
    if (view !== undefined && view.atMs !== heard.viewAtMs)
      heard = { viewAtMs: view.atMs, atMs: ports.now() };
    for (const [index, model] of configured.entries()) show(model, view, healths[index] ?? WELL);
    for (const model of shown.difference(new Set(configured))) show(model, undefined, WELL);
    shown.clear();
    for (const model of configured) shown.add(model);
  }

  async function refresh(): Promise<void> {
    try {
      await read();
    } catch (error) {
      ports.log.debug({ err: error }, "cannot read how the models are; the gauges stay");
    }
    metrics.dispatcher_view_age_seconds.set((ports.now() - heard.atMs) / 1_000);
  }

  let stop = (): void => {};
  return {
    start: () => {
      void refresh();
      stop = repeat(ports.schedule, refresh, () => REFRESH_MS);
    },
    stop: () => stop(),
  };
}
