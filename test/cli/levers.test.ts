import { expect } from "bun:test";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { eventually, untilTrue } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { commandsOn, jsonOf } from "./command.ts";

const test = testsOnStack();

interface Shown {
  status: string;
  parked: object | null;
  waiting: { reason: string; last_error: { code: string } | null } | null;
}

interface Status {
  conditions: { kind: string; text: string }[];
  models: {
    model: string;
    state: string;
    workers: number;
    parked: number;
    next_probe_at: string | null;
  }[];
  workers: { host: string; models: Record<string, { limit: number }> }[];
}

const shown = async (stack: TestStack, id: string): Promise<Shown> =>
  jsonOf(await commandsOn(stack)("request", "show", id, "--json")) as Shown;

/** Reads the status until it is as wanted, whatever its exit code. */
const statusThat = (stack: TestStack, what: string, isWanted: (status: Status) => boolean) =>
  eventually(what, 20_000, async () => {
    const status = JSON.parse((await commandsOn(stack)("status", "--json")).out) as Status;
    return isWanted(status) ? status : undefined;
  });

const modelOf = ({ models }: Status, name: string) => models.find(({ model }) => model === name);

async function expectAllBooked(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test("workers are shown with the models that they can call", async (stack) => {
  const status = await statusThat(stack, "a worker is seen", ({ workers }) => workers.length === 1);

  expect(Object.keys(status.workers[0]?.models ?? {})).toEqual(
    expect.arrayContaining(["sim-chat", "sim-json"]),
  );
  expect(modelOf(status, "sim-chat")).toMatchObject({ state: "ok", workers: 1 });
});

test("nothing of a paused model is called until it is resumed; others go on", async (stack) => {
  const tollgate = commandsOn(stack);
  const api = stack.api(await stack.addUser());
  await stack.stopRole("worker");
  await tollgate("model", "pause", "sim-json", "--reason", "moving", "--actor", "ada@desk");
  const { request_id: waits } = await api.generate({ prompt: "waits", model: "sim-json" });
  await stack.startRole("worker");
  const { request_id: other } = await api.generate({ prompt: "goes on" });

  const ended = await api.untilEnded(other);
  const parked = await eventually("it is parked", 10_000, async () => {
    const seen = await shown(stack, waits);
    return seen.parked !== null && seen.waiting !== null ? seen : undefined;
  });
  const told = await statusThat(stack, "the pause is told", ({ conditions }) =>
    conditions.some(({ text }) =>
      text.includes("sim-json is paused by ada@desk: moving; 1 request"),
    ),
  );
  await tollgate("model", "resume", "sim-json");
  const resumed = await api.untilEnded(waits);

  expect(ended.status).toBe("completed");
  expect(parked).toMatchObject({ status: "queued", waiting: { reason: "model_paused" } });
  expect(told.conditions.every(({ kind }) => kind === "note")).toBe(true);
  expect(resumed.status).toBe("completed");
  await expectAllBooked(stack);
});

test("what is cancelled while its model is paused does not come back afterwards", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const api = stack.api(user);
  // What is posted before all know of the pause is called.
  await stack.stopRole("worker");
  await tollgate("model", "pause", "sim-json", "--reason", "moving");
  const posted = await Promise.all(
    Array.from({ length: 20 }, (_, at) => api.generate({ prompt: `${at}`, model: "sim-json" })),
  );
  await untilTrue("all are parked", 20_000, async () => {
    const status = JSON.parse((await tollgate("status", "--json")).out) as Status;
    return modelOf(status, "sim-json")?.parked === 20;
  });

  const ran = await tollgate("request", "cancel", "--model", "sim-json", "--yes", "--json");
  await tollgate("model", "resume", "sim-json");
  await stack.startRole("worker");
  await stack.books.untilQuiet();

  expect(jsonOf(ran)).toMatchObject({ cancelled: 20, stopping: 0 });
  const ends = await Promise.all(posted.map(({ request_id: id }) => api.status(id)));
  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["cancelled"]));
  expect((await tollgate("status")).out).not.toContain("sim-json is paused");
  await expectAllBooked(stack);
});

test("a model whose ML service is away is told with its cause and its next try", async (stack) => {
  const tollgate = commandsOn(stack);
  const api = stack.api(await stack.addUser());
  await stack.configure({ models: { "sim-json": { url: "http://127.0.0.1:1/none" } } });
  await untilTrue("the worker has read it", 10_000, () =>
    stack.workers.every((worker) => worker.log().includes("configuration reloaded")),
  );
  const { request_id: waits } = await api.generate({ prompt: "waits", model: "sim-json" });

  const told = await statusThat(
    stack,
    "it is paused",
    (status) => modelOf(status, "sim-json")?.state === "paused",
  );
  const exitCode = (await tollgate("status")).exitCode;
  const seen = await shown(stack, waits);
  await stack.configure({});
  const ended = await api.untilEnded(waits);

  expect(told.conditions[0]).toMatchObject({
    kind: "wrong",
    text: expect.stringContaining("its ML service at 127.0.0.1:1 cannot be reached"),
  });
  expect(modelOf(told, "sim-json")?.next_probe_at).not.toBeNull();
  expect(exitCode).toBe(EXIT.failed);
  expect(seen.waiting).toMatchObject({
    reason: "model_unavailable",
    last_error: { code: "UPSTREAM_UNREACHABLE" },
  });
  expect(ended.status).toBe("completed");
  await expectAllBooked(stack);
});

test("a model whose key no worker has is told with the name of the variable", async (stack) => {
  const api = stack.api(await stack.addUser());
  await stack.configure({ models: { "sim-json": { api_key_env: "NO_SUCH_KEY" } } });
  const told = await statusThat(
    stack,
    "the key is missed",
    (status) => modelOf(status, "sim-json")?.state === "key_missing",
  );
  const { request_id: waits } = await api.generate({ prompt: "waits", model: "sim-json" });
  const seen = await shown(stack, waits);
  await stack.configure({});
  const ended = await api.untilEnded(waits);

  expect(told.conditions[0]).toMatchObject({
    kind: "wrong",
    text: expect.stringContaining("sim-json cannot be called: no worker has NO_SUCH_KEY"),
  });
  expect(seen.waiting?.reason).toBe("no_worker");
  expect(ended.status).toBe("completed");
  await expectAllBooked(stack);
});
