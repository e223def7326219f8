import { type DatedHealth, HEALTHY } from "../../core/queue/model-health.ts";
import { type ModelFacts, type ModelWorkers, workersOf } from "../../core/queue/waiting.ts";
import { repeat } from "../../runtime/repeat.ts";
import { restAfterMs } from "../../runtime/rest.ts";
import type { Lanes } from "../accept/lanes.ts";
import type { GatewayPorts } from "../ports.ts";

/** What this gateway knows of models, about a second old, so that nobody who asks reads it. */
export interface ModelWatch {
  /** Resolves when everything has been looked for once. */
  start: () => Promise<void>;
  stop: () => void;
  factsOf: (model: string) => ModelFacts;
}

const READ_MS = 1_000;
const NOTHING_KNOWN: DatedHealth = { health: HEALTHY, atMs: 0 };

/** While Redis is away the last facts go on. */
export function createModelWatch(
  ports: Pick<GatewayPorts, "config" | "log" | "now" | "schedule" | "readHealth" | "readWorkers">,
  lanes: Pick<Lanes, "laneOf">,
): ModelWatch {
  let known = new Map<string, { dated: DatedHealth; workers: ModelWorkers }>();
  let readAtMs = 0;
  let tookMs = 0;

  async function read(): Promise<void> {
    const startedAtMs = ports.now();
    const models = Object.keys(ports.config().models);
    try {
      const [healths, notes] = await Promise.all([ports.readHealth(models), ports.readWorkers()]);
      readAtMs = ports.now();
      known = new Map(
        models.map((model, index) => [
          model,
          { dated: healths[index] ?? NOTHING_KNOWN, workers: workersOf(notes, model) },
        ]),
      );
    } catch (error) {
      ports.log.debug({ err: error }, "cannot read how the models are; what was known goes on");
    }
    tookMs = ports.now() - startedAtMs;
  }

  let stop = (): void => {};
  return {
    start: async () => {
      await read();
      stop = repeat(ports.schedule, read, () => Math.max(READ_MS, restAfterMs(tookMs)));
    },
    stop: () => stop(),
    factsOf: (model) => {
      const { dated, workers } = known.get(model) ?? { dated: NOTHING_KNOWN, workers: undefined };
      return {
        isConfigured: Object.hasOwn(ports.config().models, model),
        lane: lanes.laneOf(model),
        health: dated.health,
        atMs: dated.atMs + ports.now() - readAtMs,
        workers,
      };
    },
  };
}
