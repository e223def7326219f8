import { expect, test } from "bun:test";

import { createSingleFlight } from "./single-flight.ts";

/** A single flight whose tasks end when told, and the keys that they were begun for. */
function createWorld() {
  const begun: string[] = [];
  const ends: PromiseWithResolvers<string>[] = [];
  const flight = createSingleFlight<string, string>();
  const call = (key: string): Promise<string> =>
    flight(key, () => {
      begun.push(key);
      const end = Promise.withResolvers<string>();
      ends.push(end);
      return end.promise;
    });
  return { begun, ends, call };
}

test("calls for one key while its task is under way share it, and other keys have their own", async () => {
  const { begun, ends, call } = createWorld();

  const calls = [call("a"), call("a"), call("b"), call("a")];
  ends[0]?.resolve("of a");
  ends[1]?.resolve("of b");

  expect(await Promise.all(calls)).toEqual(["of a", "of a", "of b", "of a"]);
  expect(begun).toEqual(["a", "b"]);
});

test("a failure is shared as well, and does not stand in the way of the next call", async () => {
  const { begun, ends, call } = createWorld();

  const failed = Promise.allSettled([call("a"), call("a")]);
  ends[0]?.reject(new Error("away"));
  const outcomes = (await failed).map(({ status }) => status);
  const next = call("a");
  ends[1]?.resolve("back");

  expect(outcomes).toEqual(["rejected", "rejected"]);
  expect(await next).toBe("back");
  expect(begun).toEqual(["a", "a"]);
});
