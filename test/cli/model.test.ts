import { expect } from "bun:test";

import { actionsOn } from "../../adapters/postgres/operator-actions.ts";
import { readModelPauses } from "../../adapters/postgres/model-pauses.ts";
import { createSignals } from "../../adapters/redis/signals.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { commandsOn, jsonOf } from "./command.ts";

const test = testsOnStack();

interface Listed {
  model: string;
  state: string;
  cause: string | null;
  operator_pause: { by: string; reason: string } | null;
}

const listed = async (stack: TestStack, model: string): Promise<Listed | undefined> =>
  (jsonOf(await commandsOn(stack)("model", "list", "--json")) as Listed[]).find(
    (one) => one.model === model,
  );

test("a pause is seen with who and why, is noted, and ends when it is resumed", async (stack) => {
  const tollgate = commandsOn(stack);
  const told: string[] = [];
  const signals = createSignals(stack.books.redis, {
    url: stack.urls.redis,
    commandTimeoutMs: 5_000,
    name: "test-signals",
    log: silentLog,
  });
  const subscribed = new Promise<void>((resolve) => void signals.onResubscribed(resolve));
  signals.onModelChange((model) => told.push(model));
  await subscribed;
  const pause = ["--reason", "moving", "--actor", "ada@desk"];

  const paused = await tollgate("model", "pause", "sim-json", ...pause);
  const seen = await listed(stack, "sim-json");
  const again = await tollgate("model", "pause", "sim-json", "--reason", "still moving");
  const resumed = await tollgate("model", "resume", "sim-json", "--actor", "bob@desk");
  const after = await listed(stack, "sim-json");
  const twice = await tollgate("model", "resume", "sim-json");

  expect(paused).toMatchObject({ exitCode: 0, out: "the model sim-json is paused\n" });
  expect(seen).toMatchObject({
    state: "paused_by_operator",
    cause: "by ada@desk: moving",
    operator_pause: { by: "ada@desk", reason: "moving" },
  });
  expect(again.out).toContain("by ada@desk: moving");
  expect(resumed).toMatchObject({ exitCode: 0, out: expect.stringContaining("still moving") });
  expect(after?.operator_pause).toBeNull();
  expect(twice).toMatchObject({
    exitCode: EXIT.failed,
    err: expect.stringContaining("no operator"),
  });
  await untilTrue("all three were announced", 5_000, () => told.length === 3);
  expect(await actionsOn(stack.books.database, "sim-json", 10)).toMatchObject([
    { actor: "ada@desk", action: "model.pause" },
    { action: "model.pause", reason: "still moving" },
    { actor: "bob@desk", action: "model.resume" },
  ]);
  signals.close();
});

test("needs no worker, and stays over a restart of everything", async (stack) => {
  const tollgate = commandsOn(stack);
  await stack.stopRole("worker");
  const paused = await tollgate("model", "pause", "sim-json", "--reason", "moving");
  await stack.stopRole("collector");
  await stack.startRole("collector");
  await stack.startRole("worker");

  expect(paused.exitCode).toBe(0);
  expect((await listed(stack, "sim-json"))?.state).toBe("paused_by_operator");
  await tollgate("model", "resume", "sim-json");
});

test("of an unknown model, or for no reason, is refused with what there is", async (stack) => {
  const tollgate = commandsOn(stack);

  const ran = [
    await tollgate("model", "pause", "no-such", "--reason", "x"),
    await tollgate("model", "resume", "no-such"),
    await tollgate("model", "pause", "sim-chat"),
    await tollgate("model", "pause", "sim-chat", "--reason", " "),
  ];

  expect(ran.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2, 2]);
  expect(ran[0]?.err).toContain("there are sim-chat, sim-completions, sim-embeddings, sim-json");
  expect(await readModelPauses(stack.books.database)).toEqual(new Map());
});
