import type { Config } from "../../../core/config/schema.ts";
import type { ModelLane } from "../../../core/queue/lane.ts";
import { HEALTHY } from "../../../core/queue/model-health.ts";
import { createAtMostEvery } from "../../../runtime/at-most-every.ts";
import type { DispatchPorts, FinishPorts, Process } from "../../ports.ts";
import type { Duty } from "../duty.ts";
import { createModelDispatch } from "./model-dispatch.ts";
import { createPublishTurns } from "./publish-turns.ts";
import { createWorkMeter } from "./room.ts";
import { createServeModel, type Lane } from "./serve-model.ts";
import type { WeightConfig } from "./weights.ts";
import { createWhoWaits } from "./who-waits.ts";

export type DispatchConfig = WeightConfig & Pick<Config, "models" | "dispatch">;

const COUNT_MS = 5_000;
const GATEWAYS_MS = 5_000;
const ENDS_MS = 500;
const ENDS_MAX = 2_000;

/**
 * Publishes parked requests in fair order, as many as their model's workers can use, and tells gateways
 * whether they may publish by themselves (decision 009).
 */
export function createDispatcher(
  ports: DispatchPorts & FinishPorts & Process,
  config: () => DispatchConfig,
): Duty {
  const lanes = new Map<string, Lane>();
  const meter = createWorkMeter();
  const whoWaits = createWhoWaits(ports, config, (model) => laneOf(model).dispatch.order);
  const serve = createServeModel(ports, config, createPublishTurns(ports), whoWaits);
  const counts = createAtMostEvery(ports.now, COUNT_MS);
  const gatewayLooks = createAtMostEvery(ports.now, GATEWAYS_MS);
  const endLooks = createAtMostEvery(ports.now, ENDS_MS);
  let parked: ReadonlyMap<string, number> = new Map();
  let gateways = 1;

  function laneOf(model: string): Lane {
    const known = lanes.get(model);
    if (known !== undefined) return known;
    const lane: Lane = { dispatch: createModelDispatch(), published: [], probeSent: null };
    lanes.set(model, lane);
    return lane;
  }

  async function readEnds(): Promise<void> {
    for (const { dispatch } of lanes.values()) {
      const ids = dispatch.dispatched().slice(0, ENDS_MAX);
      if (ids.length === 0) continue;
      for (const { requestId, tokens } of await ports.endsOf(ids))
        dispatch.ended(requestId, tokens);
    }
  }

  /** What is looked at now and then. */
  async function lookAround(): Promise<void> {
    meter.update(await ports.readWorkers());
    await whoWaits.refresh();
    await counts.run(async () => {
      parked = await ports.countParked();
    });
    await gatewayLooks.run(async () => {
      gateways = Math.max(1, await ports.countGateways());
    });
    await endLooks.run(readEnds);
  }

  async function serveAll(signal: AbortSignal): Promise<Record<string, ModelLane>> {
    const models = Object.keys(config().models);
    const [healths, ready, pauses] = await Promise.all([
      ports.healthOf(models),
      ports.readyOf(models),
      ports.operatorPauses(),
    ]);
    const view: Record<string, ModelLane> = {};
    for (const [index, model] of models.entries()) {
      const { health, atMs } = healths[index] ?? { health: HEALTHY, atMs: ports.now() };
      const { room, ...told } = await serve(
        {
          model,
          lane: laneOf(model),
          work: meter.of(model),
          ready: ready[index] ?? 0,
          health,
          atMs,
          operatorPause: pauses.get(model) ?? null,
        },
        signal,
      );
      const allowance = Math.ceil(room / gateways);
      view[model] = { ...told, allowance, parked: parked.get(model) ?? 0 };
    }
    return view;
  }

  return {
    name: "dispatch",
    get everyMs() {
      const { interval_ms: busyMs, idle_interval_ms: idleMs } = config().dispatch;
      const isBusy = [...lanes.values()].some(({ dispatch }) => dispatch.order.waiting().users > 0);
      return isBusy || whoWaits.hasNews() ? busyMs : idleMs;
    },
    async run(signal) {
      await lookAround();
      const models = await serveAll(signal);
      // Another keeper may be at work already: its word counts.
      if (!signal.aborted) await ports.writeView({ atMs: ports.now(), models });
    },
    end() {
      // Another keeper dispatches from now on; what this one knows of turns grows old.
      whoWaits.stop();
      lanes.clear();
    },
  };
}
