import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Lanes } from "../../adapters/redis/lanes.ts";
import type { LaneView, ModelLane, WorkerNote } from "../../core/queue/lane.ts";
import { newId } from "../support/quota-samples.ts";

export interface LanesSubject {
  lanes: Lanes;
  /** As if nobody had ever written a view. */
  forgetView: () => Promise<void>;
  /** As if the worker had given its last sign so long ago. */
  silence: (workerId: string, ms: number) => Promise<void>;
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

const LANE: ModelLane = {
  mode: "parked",
  allowance: 3,
  ready: 4,
  parked: 5,
  ratePerSecond: 1.5,
  users: 2,
  weights: 2.5,
  operatorPause: { by: "ann", reason: "new GPUs", atMs: 7 },
};

/** What the dispatcher's word and the workers' signs of life promise. */
export function describeLanesContract(
  name: string,
  makeSubject: () => Promise<LanesSubject>,
): void {
  const noteOf = (workerId: string): Omit<WorkerNote, "atMs"> => ({
    workerId,
    host: "here",
    models: {
      "m/1": { problem: null, limit: 4, underWay: 2, ended: 9 },
      other: { problem: "key_missing", limit: 0, underWay: 0, ended: 0 },
    },
  });

  describe(`lanes: ${name}`, () => {
    let subject: LanesSubject;
    let lanes: Lanes;
    beforeAll(async () => {
      subject = await makeSubject();
      ({ lanes } = subject);
    });
    afterAll(() => subject.stop());

    const known = async (workerId: string): Promise<WorkerNote | undefined> =>
      (await lanes.readWorkers()).find((note) => note.workerId === workerId);

    test("the last view that was written is read, and before there is one nothing", async () => {
      const view = { atMs: 1, models: { "m/1": LANE, other: { ...LANE, operatorPause: null } } };
      await subject.forgetView();

      const before = await lanes.readView();
      await lanes.writeView({ atMs: 0, models: {} });
      await lanes.writeView(view);

      expect(before).toBeUndefined();
      expect(await lanes.readView()).toEqual(view satisfies LaneView);
    });

    test("a worker that has given a sign lately is known by its last one", async () => {
      const worker = newId();

      await lanes.noteWorker({ ...noteOf(worker), models: {} });
      await lanes.noteWorker(noteOf(worker));

      const note = await known(worker);
      expect(note).toMatchObject(noteOf(worker));
      expect(note?.atMs).toBeWithin(Date.now() - 60_000, Date.now() + 60_000);
    });

    test("a worker that takes its leave is not known any more, the others are", async () => {
      const [leaving, staying] = [newId(), newId()];
      await lanes.noteWorker(noteOf(leaving));
      await lanes.noteWorker(noteOf(staying));

      await lanes.forgetWorker(leaving);

      expect(await known(leaving)).toBeUndefined();
      expect(await known(staying)).toBeDefined();
    });

    test("a worker that gives no sign for ten seconds is taken for gone, and may come back", async () => {
      const [silent, slow] = [newId(), newId()];
      await lanes.noteWorker(noteOf(silent));
      await lanes.noteWorker(noteOf(slow));

      await subject.silence(silent, 12_000);
      await subject.silence(slow, 8_000);
      const [gone, late] = [await known(silent), await known(slow)];
      await lanes.noteWorker(noteOf(silent));

      expect(gone).toBeUndefined();
      expect(late).toBeDefined();
      expect(await known(silent)).toBeDefined();
    });

    test("while the server is away everything is refused", async () => {
      await subject.setAway(true);

      const refused = await Promise.allSettled([
        lanes.writeView({ atMs: 1, models: {} }),
        lanes.readView(),
        lanes.noteWorker(noteOf(newId())),
        lanes.forgetWorker(newId()),
        lanes.readWorkers(),
      ]);
      await subject.setAway(false);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "QUOTA_UNAVAILABLE" } });
    });
  });
}
