import { expect, test } from "bun:test";

import { createAddresses, type Target } from "./addresses.ts";
import { createReplicas } from "./replicas.ts";

const targets = (...urls: string[]): Target[] => urls.map((url) => ({ url, host: null }));

/** Replicas of which some are away, and the order in which they were called. */
function world(away = new Set<string>()) {
  let nowMs = 1_000;
  const replicas = createReplicas(() => nowMs);
  const called: string[] = [];
  const call = (urls: readonly Target[]): Promise<string> =>
    replicas.call(
      urls,
      async ({ url }) => {
        called.push(url);
        return url;
      },
      (url) => away.has(url),
    );
  return { replicas, call, called, away, pass: (ms: number) => void (nowMs += ms) };
}

test("replicas take turns, and one with fewer calls under way goes first", async () => {
  const { replicas, call, called } = world();
  const gate = Promise.withResolvers<string>();
  const held = replicas.call(
    targets("a"),
    () => gate.promise,
    () => false,
  );

  for (let i = 0; i < 4; i += 1) await call(targets("a", "b", "c"));

  expect(called).toEqual(["b", "c", "b", "c"]);
  gate.resolve("done");
  await held;
});

test("one that is away is left out for a growing pause while others work", async () => {
  const { call, called, away, pass } = world(new Set(["a"]));
  const both = targets("a", "b");

  const first = await call(both);
  const second = await call(both);
  pass(1_000);
  const third = await call(both);
  pass(1_000);
  await call(both);
  pass(1_000);
  away.clear();
  for (let i = 0; i < 2; i += 1) await call(both);

  expect([first, second, third]).toEqual(["b", "b", "b"]);
  expect(called).toEqual(["a", "b", "b", "a", "b", "b", "a", "b"]);
});

test("when all are away each is tried once, and the last reply is the reply", async () => {
  const { call, called } = world(new Set(["a", "b"]));

  expect(await call(targets("a", "b"))).toBe("b");
  expect(called).toEqual(["a", "b"]);
});

test("a name of several addresses is several targets, which are looked up again after a while", async () => {
  let nowMs = 0;
  let addresses = ["10.0.0.2", "10.0.0.1"];
  let looks = 0;
  const targetsOf = createAddresses(
    async () => {
      looks += 1;
      return addresses;
    },
    () => nowMs,
  );
  const ask = async () => (await targetsOf(["http://vllm:8000/v1"])).map(({ url }) => url);

  const first = await ask();
  addresses = [...addresses, "fd00::3"];
  const kept = await ask();
  nowMs += 30_000;
  await ask();
  await Promise.resolve();
  const later = await targetsOf(["http://vllm:8000/v1"]);

  expect(first).toEqual(["http://10.0.0.1:8000/v1", "http://10.0.0.2:8000/v1"]);
  expect(kept).toEqual(first);
  expect(later.at(-1)).toEqual({ url: "http://[fd00::3]:8000/v1", host: "vllm:8000" });
  expect(looks).toBe(2);
});

test.each(["https://api.example.com/v1", "http://10.0.0.1/v1", "http://localhost/v1"])(
  "%s stays as it is",
  async (url) => {
    const targetsOf = createAddresses(
      async () => ["10.0.0.1", "10.0.0.2"],
      () => 0,
    );

    expect(await targetsOf([url])).toEqual([{ url, host: null }]);
  },
);

test("a name that cannot be looked up stays as it is", async () => {
  const targetsOf = createAddresses(
    () => Promise.reject(new Error("no such name")),
    () => 0,
  );

  expect(await targetsOf(["http://vllm/v1"])).toEqual([{ url: "http://vllm/v1", host: null }]);
});
