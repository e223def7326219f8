import { expect } from "bun:test";

import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { commandsOn, jsonOf } from "./command.ts";

const test = testsOnStack();

interface Act {
  actor: string;
  reason: string | null;
  action: string;
  target: string;
  detail: Record<string, unknown>;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

const BY_ADA = ["--actor", "ada@desk", "--reason", "ticket 7"];

/** What is noted of a user, oldest first. */
async function notedOf(stack: TestStack, user: string): Promise<Act[]> {
  const { actions } = jsonOf(await commandsOn(stack)("log", "admin", "--user", user, "--json")) as {
    actions: Act[];
  };
  return actions.toReversed();
}

test("each change of a user and key is noted once, with who, why, before and after", async (stack) => {
  const tollgate = commandsOn(stack);
  const email = "noted@example.org";
  type Made = { user_id: string; key_id: string };
  const run = async (...args: string[]) => jsonOf(await tollgate(...args, ...BY_ADA)) as Made;

  const user = await run("user", "add", "Noted", email, "--tier", "free", "--json");
  await run("user", "quota", email, "--daily-tokens", "5k", "--concurrent", "3", "--json");
  await run("user", "quota", email, "--daily-tokens", "none", "--json");
  const key = await run("key", "add", email, "--name", "laptop", "--json");
  const successor = await run("key", "rotate", key.key_id, "--json");
  await tollgate("key", "revoke", successor.key_id, ...BY_ADA);
  await run("user", "deactivate", email, "--json");
  await run("user", "activate", email, "--json");
  await tollgate("user", "quota", email);

  const acts = await notedOf(stack, email);
  expect(new Set(acts.map(({ actor, reason }) => `${actor}: ${reason}`))).toEqual(
    new Set(["ada@desk: ticket 7"]),
  );
  const { user_id: userId } = user;
  const ofUser = { target: userId };
  const tier = { tier: "free", requests: null };
  const shown = { prefix: expect.any(String), last4: expect.any(String) };
  const madeKey = { ...shown, expires_at: null };
  expect(acts).toMatchObject([
    {
      ...ofUser,
      action: "user.add",
      before: null,
      after: { ...shown, tier: "free", key_id: user.key_id },
    },
    {
      ...ofUser,
      action: "user.quota",
      before: { daily: { ...tier, tokens: null }, concurrent_requests: null },
      after: { daily: { ...tier, tokens: 5_000 }, concurrent_requests: 3 },
    },
    {
      ...ofUser,
      action: "user.quota",
      before: { daily: { ...tier, tokens: 5_000 } },
      after: { daily: { ...tier, tokens: -1 } },
    },
    { action: "key.add", target: key.key_id, detail: { user_id: userId }, after: madeKey },
    {
      action: "key.rotate",
      target: key.key_id,
      detail: { user_id: userId, successor_id: successor.key_id, successor: madeKey },
      before: { expires_at: null },
      after: { expires_at: expect.any(String) },
    },
    {
      action: "key.revoke",
      target: successor.key_id,
      before: { revoked_at: null },
      after: { revoked_at: expect.any(String) },
    },
    { ...ofUser, action: "user.deactivate", before: { active: true }, after: { active: false } },
    { ...ofUser, action: "user.activate", before: { active: false }, after: { active: true } },
  ]);
  expect(JSON.stringify(acts)).not.toContain(email);
});

test("what is refused is not noted", async (stack) => {
  const tollgate = commandsOn(stack);
  await tollgate("user", "add", "First", "once@example.org", "--no-key");

  const again = await tollgate("user", "add", "Second", "once@example.org", "--no-key");

  expect(again.exitCode).toBe(1);
  expect((await notedOf(stack, "once@example.org")).map(({ action }) => action)).toEqual([
    "user.add",
  ]);
});

test("the list is paged and filtered, and people read it as a table", async (stack) => {
  const tollgate = commandsOn(stack);
  for (const name of ["one", "two", "three"])
    await tollgate("user", "add", `${name}@paged.example`, "--no-key", "--actor", "pager");
  const page = async (...more: string[]) =>
    jsonOf(
      await tollgate("log", "admin", "--actor", "pager", "--limit", "2", "--json", ...more),
    ) as { actions: Act[]; next: number | null };

  const first = await page();
  const second = await page("--after", String(first.next));
  const { out } = await tollgate("log", "admin", "--action", "user", "--newer-than", "1h");

  expect([first.actions.length, second.actions.length, second.next]).toEqual([2, 1, null]);
  expect(out).toMatch(/^AT \(UTC\) +WHO +WHAT +ON +WHY +CHANGE\n/);
  expect(out).toMatch(/ pager +user\.add +\S+ +nothing → \{"tier": ?"/);
  expect((await tollgate("log", "admin", "--actor", "nobody")).out).toBe("no such act is noted\n");
});
