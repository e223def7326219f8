import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { ModelHealthStore } from "../../adapters/redis/model-health.ts";
import {
  afterTrouble,
  type DatedHealth,
  HEALTHY,
  type ModelHealth,
  withProbe,
} from "../../core/queue/model-health.ts";
import { newId } from "../support/quota-samples.ts";

export interface ModelHealthSubject {
  /** As many processes, each with a store of its own. */
  stores: [ModelHealthStore, ModelHealthStore, ModelHealthStore];
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

const POLICY = { failuresMax: 1_000, pauseFirstMs: 1_000, pauseMaxMs: 60_000 };

const failed =
  (userId: string, trouble: "failing" | "unreachable" = "failing") =>
  ({ health, atMs }: DatedHealth): ModelHealth => {
    const event = { trouble, userId, message: "it failed", tookMs: 1, retryAfterMs: null };
    return afterTrouble(health, { ...event, isProbe: false }, atMs, POLICY);
  };

/** A record whose probe is due. */
const due = ({ health, atMs }: DatedHealth): ModelHealth => {
  const paused = failed("u", "unreachable")({ health, atMs }).pause;
  return { ...health, pause: paused && { ...paused, untilMs: atMs - 1 } };
};

/** What the health of models that all workers share promises. */
export function describeModelHealthContract(
  name: string,
  makeSubject: () => Promise<ModelHealthSubject>,
): void {
  describe(`the health of models: ${name}`, () => {
    let subject: ModelHealthSubject;
    let stores: ModelHealthSubject["stores"];
    beforeAll(async () => {
      subject = await makeSubject();
      ({ stores } = subject);
    });
    afterAll(() => subject.stop());

    test("of a model that nobody spoke of nothing is known, but for the time", async () => {
      const [store] = stores;
      const [known] = await store.read([`m/${newId()}`]);

      expect(known?.health).toEqual(HEALTHY);
      expect(known?.atMs).toBeWithin(Date.now() - 60_000, Date.now() + 60_000);
      expect(await store.read([])).toEqual([]);
    });

    test("a change is seen by everybody, each model has its own record, and they come in order", async () => {
      const [store, other] = stores;
      const [model, neighbour] = [newId(), newId()];

      const changed = await store.change(model, failed("u"));
      const [read, untouched] = await other.read([model, neighbour]);

      expect(changed.isChanged).toBe(true);
      expect(read?.health).toEqual(changed.health);
      expect(read?.health.users["u"]?.failures).toBe(1);
      expect(untouched?.health).toEqual(HEALTHY);
    });

    test("null leaves the record, and says so", async () => {
      const [store] = stores;
      const model = newId();
      const { health } = await store.change(model, failed("u"));

      const left = await store.change(model, () => null);

      expect(left).toMatchObject({ health, isChanged: false });
      expect((await store.read([model]))[0]?.health).toEqual(health);
    });

    test("a model that is healthy again is forgotten, and can fall ill again", async () => {
      const [store, other] = stores;
      const model = newId();
      await store.change(model, failed("u"));

      await store.change(model, () => HEALTHY);
      const healthy = await other.read([model]);
      await other.change(model, failed("u"));

      expect(healthy[0]?.health).toEqual(HEALTHY);
      expect((await store.read([model]))[0]?.health.users["u"]?.failures).toBe(1);
    });

    test("no change is lost however many processes change a record at once", async () => {
      const model = newId();
      const changes = stores.flatMap((store) =>
        Array.from({ length: 20 }, () => store.change(model, failed("u"))),
      );

      const outcomes = await Promise.all(changes);

      expect(outcomes.every(({ isChanged }) => isChanged)).toBe(true);
      const [read] = await stores[0].read([model]);
      expect(read?.health.users["u"]?.failures).toBe(60);
    });

    test("of several workers that want the probe at once exactly one gets it", async () => {
      const model = newId();
      await stores[0].change(model, due);

      const outcomes = await Promise.all(
        stores.map((store, worker) =>
          store.change(model, ({ health, atMs }) =>
            withProbe(health, `worker ${worker}`, atMs, 5_000),
          ),
        ),
      );

      const winners = outcomes.flatMap(({ isChanged }, worker) => (isChanged ? [worker] : []));
      expect(winners).toHaveLength(1);
      for (const { health } of outcomes)
        expect(health.pause?.probe?.workerId).toBe(`worker ${winners[0]}`);
    });

    test("while the server is away everything is refused, and the record stays as it was", async () => {
      const [store] = stores;
      const model = newId();
      const { health } = await store.change(model, failed("u"));
      await subject.setAway(true);

      const refused = await Promise.allSettled([
        store.read([model]),
        store.change(model, failed("u")),
      ]);
      await subject.setAway(false);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "QUOTA_UNAVAILABLE" } });
      expect((await store.read([model]))[0]?.health).toEqual(health);
    });
  });
}
