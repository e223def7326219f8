import { afterAll, beforeAll, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";

import { TierSchema, type TierConfig } from "../../core/config/schema.ts";
import {
  createMigratedDatabase,
  type MigratedDatabase,
  newUser,
  setQuota,
} from "../../test/support/postgres.ts";
import type { Database } from "./connect.ts";
import { noteTiers, readTiers, tierUsers } from "./tiers.ts";

let server: MigratedDatabase;
let database: Database;
beforeAll(async () => {
  server = await createMigratedDatabase();
  ({ database } = server);
});
afterAll(() => server.drop());

const tierOf = (value: object): TierConfig => Value.Parse(TierSchema, value);

test("a tier is remembered as it was last, also after it is gone", async () => {
  const gold = tierOf({ daily: { tokens: 5 }, weight: 3 });
  await noteTiers(database, { gold: tierOf({ daily: { tokens: 1 } }), silver: tierOf({}) });

  await noteTiers(database, { gold });
  await noteTiers(database, {});
  await noteTiers(database, { silver: tierOf({ weight: 9 }) }, "unknown");

  expect(await readTiers(database)).toEqual({ gold, silver: tierOf({}) });
});

test("what an older release noted gets defaults, and what does not fit is left out", async () => {
  await database.run(
    "as others noted it",
    (sql) => sql`
      insert into tiers (tier, limits)
      values
        ('older', '{"daily": {"tokens": 9}, "no-longer": 1}'),
        ('odd', '{"daily": "much"}')`,
  );

  const tiers = await readTiers(database);

  expect(tiers["older"]).toEqual(tierOf({ daily: { tokens: 9 } }));
  expect(tiers["odd"]).toBeUndefined();
});

test("users are counted by tier, once each, and whether it is known what the tier allows", async () => {
  await noteTiers(database, { gold: tierOf({}) });
  const user = await newUser(database);
  for (const window of ["daily", "monthly"] as const)
    await setQuota(database, { userId: user, window, tier: "gold", requests: null, tokens: null });
  const other = { userId: await newUser(database), window: "daily" as const };
  await setQuota(database, { ...other, tier: "lost", requests: null, tokens: null });

  expect(await tierUsers(database)).toEqual([
    { tier: "gold", users: 1, isKnown: true },
    { tier: "lost", users: 1, isKnown: false },
  ]);
});
