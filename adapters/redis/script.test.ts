import { afterAll, beforeAll, expect, test } from "bun:test";
import { Type as t } from "@sinclair/typebox";
import type { RedisConnection } from "./connection.ts";
import { booksKeys } from "./keys.ts";
import * as scripts from "./quota-scripts.ts";
import { newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";
import { bindScript } from "./script.ts";

let redis: RedisConnection;

beforeAll(async () => {
  redis = await connectForTest();
});
afterAll(() => redis.close());

/** A script that the server cannot know: its text is new, and it is not preloaded. */
function bindUnknown(reply = t.Integer()) {
  const lua = `-- ${newId()}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])`;
  const spec = { lua, keys: ["counter"], args: ["amount"], reply } as const;
  return bindScript({ ...redis, preload: () => {} }, spec);
}

const callOf = () => ({ keys: { counter: `test:${newId()}` }, args: { amount: 2 } });

test("a script that Redis has forgotten is sent again and runs once", async () => {
  expect(await bindUnknown().run(callOf())).toBe(2);
});

test("a pipeline of a forgotten script runs every call once, in order", async () => {
  const call = callOf();

  expect(await bindUnknown().runEach([call, call, call])).toEqual([
    { ok: true, value: 2 },
    { ok: true, value: 4 },
    { ok: true, value: 6 },
  ]);
});

test.each([
  ["another type", (key: string) => redis.run(({ client }) => client.lpush(key, "not ours"))],
  ["no number", (key: string) => redis.run(({ client }) => client.set(key, "not ours"))],
])(
  "a call of a pipeline that comes upon %s fails alone, whether the script was known or not",
  async (_what, write) => {
    const script = bindUnknown();
    const [before, bad, later] = [callOf(), callOf(), callOf()];
    const key = bad.keys.counter;
    await write(key);
    await redis.run(({ client }) => client.expire(key, 60));

    for (const value of [2, 4]) {
      expect(await script.runEach([before, bad, later])).toEqual([
        { ok: true, value },
        { ok: false, error: expect.any(Error) },
        { ok: true, value },
      ]);
    }
  },
);

test("a pipeline that Redis refuses for its own state fails as a whole", async () => {
  const lua = `-- ${newId()}\nreturn redis.error_reply('OOM command not allowed')`;
  const script = bindScript(redis, { lua, keys: ["any"], args: [], reply: t.Integer() });
  const call = { keys: { any: `test:${newId()}` }, args: {} };

  const failure = await script.runEach([call]).catch((error: unknown) => error);

  expect(failure).toMatchObject({ code: "QUOTA_UNAVAILABLE" });
});

test("a reply of another shape is an error, not a value", async () => {
  const failure = await bindUnknown(t.String() as never)
    .run(callOf())
    .catch((error: unknown) => error);

  expect(failure).toBeInstanceOf(Error);
});

test("an error of a script is the fault that a caller may see", async () => {
  const call = callOf();
  await redis.run(({ client }) => client.set(call.keys.counter, "no number", "EX", 60));

  const failure = await bindUnknown()
    .run(call)
    .catch((error: unknown) => error);

  expect(failure).toMatchObject({ code: "QUOTA_UNAVAILABLE" });
});

test("scripts are loaded before they are first called", async () => {
  const { lua, keys, args, reply } = scripts.ADMIT;
  bindScript(redis, { lua, keys, args, reply });
  const sha = new Bun.CryptoHasher("sha1").update(lua).digest("hex");

  expect(await redis.run(({ client }) => client.script("EXISTS", sha))).toEqual([1]);
});

const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

test("the scripts take keys and arguments in the order in which they are given", () => {
  for (const [name, { lua, keys, args }] of Object.entries(scripts)) {
    const unpacked = [...lua.matchAll(/^local ([\w,\s]+?) = unpack\((KEYS|ARGV)\)/gm)];
    const single = [...lua.matchAll(/^local (\w+) = KEYS\[(\d+)\]/gm)];
    const taken = (from: string) =>
      unpacked.filter((match) => match[2] === from).map((match) => match[1]?.replace(/\s/g, ""));
    const takenKeys =
      single.length > 0
        ? single.toSorted((a, b) => Number(a[2]) - Number(b[2])).map((match) => match[1])
        : taken("KEYS");

    expect([name, takenKeys.join()]).toEqual([name, keys.map(snakeCase).join()]);
    if (name !== "SET_LIMITS")
      expect([name, taken("ARGV")]).toEqual([name, [args.map(snakeCase).join()]]);
  }
});

test("the scripts name the keys of a user as everybody else does", () => {
  const named = Object.values(scripts).flatMap(({ lua }) => [
    ...lua.matchAll(/\buser \.\. '(.+?)'/g),
  ]);

  expect(new Set(named.map(([, rest]) => `user:{U}${rest}`))).toEqual(
    new Set(Object.values(booksKeys("U"))),
  );
});
