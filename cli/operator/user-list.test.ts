import { expect, test } from "bun:test";

import { formatUsers, listedJson, withTiers } from "./user-list.ts";

const ADA = {
  userId: "u1",
  name: "Ada",
  email: "ada@example.org",
  createdAtMs: Date.UTC(2026, 10, 21, 9, 5),
  active: true,
  concurrentRequests: null,
};

test("a list says which tier a user has, and of whom without a quota the default one", () => {
  const users = [
    withTiers(ADA, { daily: "free", monthly: "free" }, "standard"),
    withTiers(ADA, undefined, "standard"),
    withTiers(ADA, { daily: "free" }, "standard"),
  ];

  const shown = formatUsers(users)
    .split("\n")
    .map((line) => line.split(/ {2,}/)[3]);
  expect(shown).toEqual(["TIER", "free", "standard", "daily free, monthly standard"]);
  expect(users.map((user) => listedJson(user).tiers.monthly)).toEqual([
    "free",
    "standard",
    "standard",
  ]);
});
