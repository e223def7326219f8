import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import type { Database } from "./connect.ts";
import { pauseModel, readModelPauses, resumeModel } from "./model-pauses.ts";
import { actionsOn, noteActions } from "./operator-actions.ts";

let server: MigratedDatabase;
let database: Database;
beforeAll(async () => {
  server = await createMigratedDatabase();
  ({ database } = server);
});
afterAll(() => server.drop());

describe("what operators did", () => {
  test("is read back in its order, with whatever they wrote", async () => {
    const detail = { reason: 'a "quoted", {odd}\nreason \\', filter: { user: "ada" } };
    const action = { actor: "ops@desk", action: "request.cancel", target: "r1", detail };
    await noteActions(database, [
      action,
      { ...action, actor: "other" },
      { ...action, target: "r2" },
    ]);

    expect(await actionsOn(database, "r1", 10)).toEqual([
      { ...action, atMs: expect.any(Number) },
      { ...action, actor: "other", atMs: expect.any(Number) },
    ]);
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
    const before = await pauseModel(database, { model: "m1", by: "ada", reason: "moving" });
    const paused = await readModelPauses(database);
    const resumed = await resumeModel(database, { model: "m1", by: "bob" });

    expect(before).toBeUndefined();
    expect(paused.get("m1")).toEqual({ by: "ada", reason: "moving", atMs: expect.any(Number) });
    expect(resumed).toEqual(paused.get("m1"));
    expect((await readModelPauses(database)).has("m1")).toBe(false);
    expect(await actionsOn(database, "m1", 10)).toMatchObject([
      { actor: "ada", action: "model.pause", detail: { reason: "moving" } },
      { actor: "bob", action: "model.resume", detail: { paused_by: "ada", reason: "moving" } },
    ]);
  });

  test("goes on since it began when it is paused again, for the new reason", async () => {
    await pauseModel(database, { model: "m2", by: "ada", reason: "moving" });
    const first = (await readModelPauses(database)).get("m2");

    const before = await pauseModel(database, { model: "m2", by: "bob", reason: "still moving" });

    expect(before).toEqual(first);
    expect((await readModelPauses(database)).get("m2")).toEqual({
      by: "bob",
      reason: "still moving",
      atMs: first?.atMs ?? 0,
    });
  });

  test("that is not there cannot be ended, and nothing is noted", async () => {
    expect(await resumeModel(database, { model: "m3", by: "ada" })).toBeUndefined();
    expect(await actionsOn(database, "m3", 10)).toEqual([]);
  });
});
