import { expect, test } from "bun:test";

import { readClusterMap, readMoved, slotOf } from "./slots.ts";

test.each([
  // The check value of the specification, 0x31C3, modulo 16384.
  ["123456789", 12_739],
  ["foo", 12_182],
  ["user:{foo}:holds", 12_182],
  ["{foo}{bar}", 12_182],
  ["foo{}{bar}", 8_363],
  ["{user1000}.following", 3_443],
  ["", 0],
])("the slot of %p is %p, as Redis says", (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});

test("a map names the master of each slot and all nodes, also one that only says its port", () => {
  const { masters, addresses } = readClusterMap(
    [
      [0, 1, ["10.0.0.1", 7000, "id"], ["10.0.0.2", 7001, "id"]],
      [3, 3, [null, 7002, "id"]],
      [4, 4, ["", 7002, "id"]],
      [5, 5, ["::1", 7003, "id"]],
    ],
    "redis.example:7000",
  );

  expect(masters).toEqual([
    "10.0.0.1:7000",
    "10.0.0.1:7000",
    // oxlint-disable-next-line no-sparse-arrays -- nobody serves that slot
    ,
    "redis.example:7002",
    "redis.example:7002",
    "[::1]:7003",
  ] as string[]);
  expect(addresses).toEqual(["10.0.0.1:7000", "10.0.0.2:7001", "redis.example:7002", "[::1]:7003"]);
});

test("a redirection names a slot and a node", () => {
  expect(readMoved("MOVED 3999 10.0.0.7:6381")).toEqual({ slot: 3999, address: "10.0.0.7:6381" });
  expect(readMoved("MOVED 1 ::1:6381")).toEqual({ slot: 1, address: "[::1]:6381" });
  expect(readMoved("MOVED 1 :6381")).toBeUndefined();
});
