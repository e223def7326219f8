import { expect } from "bun:test";

import { eventually, untilTrue } from "../../local/stack/eventually.ts";
import { readTiers } from "../../adapters/postgres/tiers.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { commandsOn, jsonOf } from "./command.ts";

const GOLD = { daily: { requests: 3, tokens: 777 } };
const test = testsOnStack({ settings: { tiers: { gold: GOLD } } });

interface Quota {
  windows: { daily: { tier: string; is_tier_removed: boolean; tokens: { limit: number | null } } };
}

test("users of a tier that is removed keep its limits, and it is said", async (stack) => {
  const tollgate = commandsOn(stack);
  const made = await tollgate(
    "user",
    "add",
    "Gold",
    "gold@example.org",
    "--tier",
    "gold",
    "--json",
  );
  const { user_id: userId, api_key: apiKey } = jsonOf(made) as { user_id: string; api_key: string };
  const api = stack.api({ userId, apiKey });
  const quota = async (): Promise<Quota> =>
    jsonOf(await tollgate("user", "quota", userId, "--json")) as Quota;
  const post = () => api.post({ prompt: "hello", max_tokens: 16 });
  expect((await post()).status).toBe(202);
  await untilTrue(
    "the keeper knows the tier",
    10_000,
    async () => "gold" in (await readTiers(stack.books.database)),
  );

  // The file without the tier, read by all; then processes that never saw another one.
  await stack.configure({});
  await untilTrue("all have read it", 10_000, () =>
    [...stack.gateways, ...stack.collectors].every((one) =>
      one.log().includes("configuration reloaded"),
    ),
  );
  const afterReload = await quota();
  for (const one of [...stack.gateways, ...stack.collectors]) {
    await one.terminate();
    await one.start();
  }
  await stack.books.quota.forget(userId);
  const second = await post();
  const third = await post();
  const fourth = await post();

  expect(afterReload.windows.daily).toMatchObject({
    tier: "gold",
    is_tier_removed: true,
    tokens: { limit: 777 },
  });
  // Of three requests a day one was made before.
  expect([second.status, third.status, fourth.status]).toEqual([202, 202, 429]);
  expect((await quota()).windows.daily.tokens.limit).toBe(777);
  expect((await tollgate("user", "list")).out).toContain("gold (removed)");
  const refused = await tollgate("user", "quota", userId, "--tier", "gold");
  expect(refused).toMatchObject({
    exitCode: 2,
    err: expect.stringContaining("there is no tier gold"),
  });
  const told = await eventually("status tells it", 10_000, async () => {
    const { out } = await tollgate("status");
    return out.includes("1 user has the tier gold, which the configuration does not have")
      ? out
      : undefined;
  });
  expect(told).toContain("they keep the limits it had last");
});
