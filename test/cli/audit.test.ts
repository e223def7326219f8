import { expect } from "bun:test";

import { actionsOn } from "../../adapters/postgres/operator-actions.ts";
import { booksKeys, holdsKey } from "../../adapters/redis/keys.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { dayOf } from "../../core/quota/windows.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { commandsOn, commandsWith, jsonOf } from "./command.ts";

const test = testsOnStack({
  // The keeper would mend what the command must find.
  settings: { keeper: { audit_interval_ms: 3_600_000, orphan_after_ms: 3_600_000 } },
});

interface Report {
  agree: boolean;
  drift_tokens: number;
  holds_open: number;
  differences: { kind: string; user_id: string }[];
  repaired?: { users: number };
}

test("audit finds what Redis has wrong, and with --repair mends it from PostgreSQL", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const api = stack.api(user);
  await api.untilEnded((await api.generate({ prompt: "hello" })).request_id);
  await stack.books.untilQuiet();
  expect((await tollgate("audit", "--queues")).exitCode).toBe(0);

  const today = dayOf(Date.now());
  await stack.books.redis.run(async ({ client }) => {
    await client.incrby(booksKeys(user.userId).dailyTokensUsed + today, 1_000);
    await client.hset(holdsKey(user.userId), crypto.randomUUID(), `50|${today}|0`);
  });
  const found = await tollgate("audit", "--json");
  const repaired = await tollgate("audit", "--repair", "--reason", "drift", "--json");
  const after = await tollgate("audit");

  expect(found.exitCode).toBe(1);
  const report = JSON.parse(found.out) as Report;
  expect(report).toMatchObject({ agree: false, drift_tokens: 1_000, holds_open: 1 });
  expect(report.differences.map(({ kind }) => kind).sort()).toEqual([
    "hold_without_request",
    "used_differs",
  ]);
  expect(jsonOf(repaired) as Report).toMatchObject({ agree: true, repaired: { users: 1 } });
  expect(after).toMatchObject({ exitCode: 0, out: expect.stringContaining("the books agree") });
  expect(await actionsOn(stack.books.database, user.userId, 10)).toContainEqual(
    expect.objectContaining({
      action: "audit.repair",
      reason: "drift",
      before: expect.arrayContaining([expect.objectContaining({ kind: "used_differs" })]),
    }),
  );
});

test("audit says what to set where Redis is not what the configuration says", async (stack) => {
  const url = new URL(stack.env["REDIS_URL"] ?? "");
  url.pathname = "";
  const tollgate = commandsWith({
    ...stack.env,
    REDIS_URL: url.href,
    TOLLGATE_REDIS__CLUSTER__NODES: url.host,
  });

  const { exitCode, err } = await tollgate("audit");

  expect(exitCode).toBe(EXIT.usage);
  expect(err).toContain("remove redis.cluster");
});

test("audit tells apart that it could not look", async (stack) => {
  const tollgate = commandsWith({ ...stack.env, REDIS_URL: "redis://127.0.0.1:1" });

  const { exitCode, err } = await tollgate("audit");

  expect(exitCode).toBe(EXIT.unreachable);
  expect(err).toContain("REDIS_URL");
});
