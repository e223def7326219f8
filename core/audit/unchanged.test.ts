import { expect, test } from "bun:test";

import type { UserDifference, WindowDifference } from "./difference.ts";
import { unchangedOfUser } from "./unchanged.ts";

const orphan = (requestId: string): UserDifference => ({
  kind: "hold_without_request",
  userId: "u",
  requestId,
  tokens: 10,
});

const used = (redis: number, postgres: number): WindowDifference => ({
  kind: "used_differs",
  userId: "u",
  window: "daily",
  windowId: "2026-11-21",
  unit: "tokens",
  redis,
  postgres,
});

test("a request on its way is no difference once the second reading no longer shows it", () => {
  expect(unchangedOfUser([orphan("a")], [orphan("b")])).toEqual([]);
});

test("a hold that both readings show without its request is a difference", () => {
  expect(unchangedOfUser([orphan("a"), orphan("b")], [orphan("b")])).toEqual([orphan("b")]);
});

test("a sum that stays off by the same amount is a difference although the window grew", () => {
  expect(unchangedOfUser([used(110, 100)], [used(160, 150)])).toEqual([used(160, 150)]);
});

test("a sum that is off by another amount in the second reading is not counted", () => {
  expect(unchangedOfUser([used(110, 100)], [used(112, 100)])).toEqual([]);
});

test("a sum that is off by the same amount because of another request on its way is not counted", () => {
  expect(unchangedOfUser([orphan("a"), used(110, 100)], [orphan("b"), used(110, 100)])).toEqual([]);
});
