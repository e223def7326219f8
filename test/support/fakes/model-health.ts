import type { ModelHealthStore } from "../../../adapters/redis/model-health.ts";
import { type DatedHealth, HEALTHY, type ModelHealth } from "../../../core/queue/model-health.ts";
import type { FakeServer } from "./server.ts";

/** The health of models without Redis. Nobody is ever faster than a change, so each is judged once. */
export function createFakeModelHealth({
  server,
  now,
}: {
  server: FakeServer;
  /** Clock of the server, Unix milliseconds. */
  now: () => number;
}): ModelHealthStore {
  const records = new Map<string, ModelHealth>();
  const readOne = (model: string): DatedHealth => ({
    health: records.get(model) ?? HEALTHY,
    atMs: now(),
  });

  return {
    read: (models) => server.ask(() => models.map(readOne)),
    change: (model, judge) =>
      server.ask(() => {
        const before = readOne(model);
        const health = judge(before);
        if (health === null) return { ...before, isChanged: false };
        const isChanged = JSON.stringify(health) !== JSON.stringify(before.health);
        records.set(model, health);
        return { health, atMs: now(), isChanged };
      }),
  };
}
