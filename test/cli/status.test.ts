import { expect } from "bun:test";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { commandsOn } from "./command.ts";

const test = testsOnStack();

interface Status {
  is_fine: boolean;
  conditions: { kind: string; text: string }[];
  servers: Record<string, string>;
  models: { model: string; state: string }[];
  most_open: { email: string; requests: number }[] | null;
  dead_letters: { requests: number } | null;
  gateways: number | null;
  has_keeper: boolean | null;
}

const textsOf = ({ conditions }: Status): string => conditions.map(({ text }) => text).join("\n");

test("a system that is well is shown on a screen and as JSON, with exit code 0", async (stack) => {
  const tollgate = commandsOn(stack);

  const shown = await eventually("all is well", 10_000, async () => {
    const ran = await tollgate("status");
    return ran.exitCode === 0 ? ran : undefined;
  });
  const { exitCode, out } = await tollgate("status", "--json");
  const status = JSON.parse(out) as Status;

  expect(shown.out).toContain("all is well");
  expect(shown.out).toMatch(/^sim-chat +/m);
  expect(exitCode).toBe(0);
  expect(status).toMatchObject({
    is_fine: true,
    servers: { postgres: "ok", redis: "ok", amqp: "ok" },
    gateways: 1,
    has_keeper: true,
  });
  expect(status.models.map(({ model }) => model)).toEqual([
    "sim-chat",
    "sim-completions",
    "sim-embeddings",
    "sim-json",
  ]);
});

test("dead letters and who fills the queue are told, and the exit code is 1", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const api = stack.api(user);
  const { request_id: failed } = await api.generate({ prompt: "[[sim:400]]" });
  await api.untilEnded(failed);
  await stack.stopRole("worker");
  const open = await Promise.all([1, 2, 3].map(() => api.generate({ prompt: "waits" })));

  const status = await eventually("the dead letter is seen", 5_000, async () => {
    const ran = await tollgate("status", "--json");
    const read = JSON.parse(ran.out) as Status;
    return ran.exitCode === EXIT.failed && read.dead_letters?.requests === 1 ? read : undefined;
  });
  await stack.startRole("worker");
  await Promise.all(open.map(({ request_id: id }) => api.untilEnded(id)));

  expect(textsOf(status)).toContain("1 request failed for good: see ./tollgate dead list");
  expect(status.most_open).toMatchObject([{ email: `${user.userId}@example.org`, requests: 3 }]);
});

const AWAY = [
  ["PostgreSQL", { DATABASE_URL: "postgres://127.0.0.1:1/none" }, "postgres"],
  ["Redis", { REDIS_URL: "redis://127.0.0.1:1" }, "redis"],
  ["RabbitMQ", { AMQP_URL: "amqp://127.0.0.1:1" }, "amqp"],
] as const;

for (const [name, env, server] of AWAY)
  test(`without ${name} the rest is shown, and that it is away`, async (stack) => {
    const { exitCode, out } = await commandsOn(stack, env)("status", "--json");
    const status = JSON.parse(out) as Status;

    expect(exitCode).toBe(EXIT.failed);
    expect(textsOf(status)).toContain(`${name} does not answer`);
    const others = AWAY.map(([, , other]) => other).filter((other) => other !== server);
    expect(status.servers[server]).not.toBe("ok");
    expect(others.map((other) => status.servers[other])).toEqual(["ok", "ok"]);
  });

test("--watch is for people", async (stack) => {
  const ran = await commandsOn(stack)("status", "--watch", "--json");

  expect(ran).toMatchObject({ exitCode: EXIT.usage, out: "" });
});
