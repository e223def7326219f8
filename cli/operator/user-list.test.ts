import { expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";

import { type TierConfig, TierSchema } from "../../core/config/schema.ts";
import { formatUsers, listedJson, withTiers } from "./user-list.ts";

const tierOf = (): TierConfig => Value.Parse(TierSchema, {});

const ADA = {
  userId: "u1",
  name: "Ada",
  email: "ada@example.org",
  createdAtMs: Date.UTC(2026, 10, 21, 9, 5),
  active: true,
  concurrentRequests: null,
};

const CONFIG = { tiers: { free: tierOf(), standard: tierOf() } };

test("a list says which tier a user has, and of whom without a quota the default one", () => {
  const users = [
    withTiers(ADA, { daily: "free", monthly: "free" }, "standard"),
    withTiers(ADA, undefined, "standard"),
    withTiers(ADA, { daily: "free" }, "standard"),
  ];

  const shown = formatUsers(users, CONFIG)
    .split("\n")
    .map((line) => line.split(/ {2,}/)[3]);
  expect(shown).toEqual(["TIER", "free", "standard", "daily free, monthly standard"]);
  expect(users.map((user) => listedJson(user, CONFIG).tiers.monthly)).toEqual([
    "free",
    "standard",
    "standard",
  ]);
});

test("a tier that the configuration does not have is marked", () => {
  const user = withTiers(ADA, { daily: "gold", monthly: "free" }, "standard");

  expect(formatUsers([user], CONFIG)).toContain("daily gold (removed), monthly free");
  expect(listedJson(user, CONFIG).removed_tiers).toEqual(["gold"]);
});
