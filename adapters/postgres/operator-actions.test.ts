import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import {
  createMigratedDatabase,
  type MigratedDatabase,
  TEST_ACT,
} from "../../test/support/postgres.ts";
import type { Database } from "./connect.ts";
import { pauseModel, readModelPauses, resumeModel } from "./model-pauses.ts";
import { type ActionFilter, actionsOn, listActions, noteActions } from "./operator-actions.ts";

let server: MigratedDatabase;
let database: Database;
beforeAll(async () => {
  server = await createMigratedDatabase();
  ({ database } = server);
});
afterAll(() => server.drop());

/** Of every note. */
const NOTED = {
  actionId: expect.any(Number),
  atMs: expect.any(Number),
  before: null,
  after: null,
};

describe("what operators did", () => {
  test("is read back in its order, with whatever they wrote", async () => {
    const reason = 'a "quoted", {odd}\nreason \\';
    const detail = { filter: { user: reason } };
    const action = { actor: "ops@desk", reason, action: "request.cancel", target: "r1", detail };
    await noteActions(database, [
      action,
      { ...action, actor: "other" },
      { ...action, target: "r2" },
    ]);

    expect(await actionsOn(database, "r1", 10)).toEqual([
      { ...action, ...NOTED },
      { ...action, ...NOTED, actor: "other" },
    ]);
  });

  test("is read with its reason where a release from before wrote it", async () => {
    await database.run(
      "note as an older release does",
      (sql) => sql`
        insert into operator_actions (actor, action, target, detail)
        values ('ada', 'model.pause', 'old', '{"reason": "moving"}')`,
    );

    expect(await actionsOn(database, "old", 10)).toMatchObject([{ reason: "moving" }]);
  });

  test("is found by who, what, on what and when, newest first", async () => {
    const did = (actor: string, action: string, target: string, detail = {}) => ({
      actor,
      reason: null,
      action,
      target,
      detail,
    });
    await noteActions(database, [
      did("eve", "key.add", "k1", { user_id: "u1" }),
      did("eve", "key.revoke", "k1", { user_id: "u1" }),
      did("eve", "keyhole", "u1"),
    ]);
    const found = async (filter: ActionFilter) =>
      (await listActions(database, { actor: "eve", ...filter }, 10)).map(({ action }) => action);

    const all = await listActions(database, { actor: "eve" }, 2);
    expect(all.map(({ action }) => action)).toEqual(["keyhole", "key.revoke"]);
    expect(await found({ before: all[1]?.actionId })).toEqual(["key.add"]);
    expect(await found({ action: "key" })).toEqual(["key.revoke", "key.add"]);
    expect(await found({ action: "key.add" })).toEqual(["key.add"]);
    expect(await found({ target: "k1" })).toEqual(["key.revoke", "key.add"]);
    expect(await found({ userId: "u1" })).toEqual(["keyhole", "key.revoke", "key.add"]);
    expect(await found({ sinceMs: Date.now() + 60_000 })).toEqual([]);
    expect(await found({ actor: "nobody" })).toEqual([]);
  });

  test.each([
    ["changed", "update operator_actions set actor = 'nobody'"],
    ["deleted", "delete from operator_actions"],
    ["emptied", "truncate operator_actions"],
  ])("cannot be %s", async (_name, statement) => {
    const refused = await database
      .run("tamper", (sql) => sql.unsafe(statement))
      .catch((error: unknown) => (error as Error & { cause?: Error }).cause ?? error);

    expect(String(refused)).toContain("append-only");
  });
});

describe("the pause of a model", () => {
  test("stays until it is resumed, and both are noted with who did it", async () => {
    const before = await pauseModel(database, "m1", { actor: "ada", reason: "moving" });
    const paused = await readModelPauses(database);
    const resumed = await resumeModel(database, "m1", { actor: "bob", reason: null });

    const byAda = { paused_by: "ada", reason: "moving", paused_at: expect.any(String) };
    expect(before).toBeUndefined();
    expect(paused.get("m1")).toEqual({ by: "ada", reason: "moving", atMs: expect.any(Number) });
    expect(resumed).toEqual(paused.get("m1"));
    expect((await readModelPauses(database)).has("m1")).toBe(false);
    expect(await actionsOn(database, "m1", 10)).toMatchObject([
      { actor: "ada", reason: "moving", action: "model.pause", before: null, after: byAda },
      { actor: "bob", reason: null, action: "model.resume", before: byAda, after: null },
    ]);
  });

  test("goes on since it began when it is paused again, for the new reason", async () => {
    await pauseModel(database, "m2", { actor: "ada", reason: "moving" });
    const first = (await readModelPauses(database)).get("m2");

    const before = await pauseModel(database, "m2", { actor: "bob", reason: "still moving" });

    expect(before).toEqual(first);
    expect((await readModelPauses(database)).get("m2")).toEqual({
      by: "bob",
      reason: "still moving",
      atMs: first?.atMs ?? 0,
    });
    expect(await actionsOn(database, "m2", 10)).toMatchObject([
      { before: null, after: { reason: "moving" } },
      { before: { reason: "moving" }, after: { reason: "still moving" } },
    ]);
  });

  test("that is not there cannot be ended, and nothing is noted", async () => {
    expect(await resumeModel(database, "m3", TEST_ACT)).toBeUndefined();
    expect(await actionsOn(database, "m3", 10)).toEqual([]);
  });
});
