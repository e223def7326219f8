import { expect, test } from "bun:test";

import type { Config } from "../../core/config/schema.ts";
import type { Fault } from "../../core/faults.ts";
import { createFakeClock, untilIdle } from "../../test/support/clock.ts";
import { testConfig } from "../../test/support/gateway-world.ts";
import { createWithBody } from "./body-bounds.ts";

const BOUNDS = {
  body_bytes_max: 100,
  user_bodies_bytes_max: 250,
  bodies_bytes_max: 400,
  body_timeout_ms: 5_000,
};

function createWorld(bounds: Partial<Config["gateway"]> = {}) {
  const config = testConfig({ ...BOUNDS, ...bounds });
  const clock = createFakeClock(0);
  const withBody = createWithBody({ config: () => config, schedule: clock.schedule });
  return { withBody, advance: clock.advance };
}

type World = ReturnType<typeof createWorld>;

const post = (
  body: string | Blob | Uint8Array<ArrayBuffer> | ReadableStream,
  headers: Record<string, string> = {},
): Request =>
  new Request("http://localhost/", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });

/** A body that never ends, of which nobody knows how long it will be. */
const unfinished = (): Request => post(new ReadableStream());
const small = (): Request => post('{"a":1}', { "content-length": "7" });

const faultOf = (call: Promise<unknown>): Promise<Fault | undefined> =>
  call.then(
    () => undefined,
    (fault: Fault) => fault,
  );

/** Begins to read, and is not over before the test is. */
const begin = ({ withBody }: World, request: Request, userId: string): void =>
  void withBody(request, userId, async () => {}).catch(() => {});

const take = ({ withBody }: World, request: Request, userId: string): Promise<unknown> =>
  withBody(request, userId, async ({ value }) => value);

test("bodies that do not come occupy their user's share and nobody else's", async () => {
  const world = createWorld();
  begin(world, unfinished(), "slow");
  begin(world, unfinished(), "slow");

  const refused = await faultOf(take(world, unfinished(), "slow"));

  expect(refused).toMatchObject({ code: "CONCURRENCY_EXCEEDED", retryAfterSeconds: 1 });
  expect(refused?.headers).toEqual({ connection: "close" });
  // What is announced counts as announced.
  expect(await take(world, small(), "slow")).toEqual({ a: 1 });
  expect(await take(world, unfinishedWithin(100), "other")).toEqual({ a: 1 });
});

/** A body of unknown length that does end. */
const unfinishedWithin = (bytes: number): Request =>
  post(new Blob([`{"a":1}${" ".repeat(bytes - 7)}`]).stream());

test("all bodies together have a bound too, whoever's they are", async () => {
  const world = createWorld();
  for (const user of ["a", "b", "c", "d"]) begin(world, unfinished(), user);

  expect(await faultOf(take(world, small(), "e"))).toMatchObject({
    code: "OVERLOADED",
    headers: { connection: "close" },
  });
});

test("a body that does not come in time is given up, and its place is free", async () => {
  const world = createWorld();
  const slow = [unfinished(), unfinished()].map((request) => faultOf(take(world, request, "slow")));
  await untilIdle();

  await world.advance(5_000);

  for (const fault of await Promise.all(slow))
    expect(fault).toMatchObject({ code: "BODY_TOO_SLOW", headers: { connection: "close" } });
  expect(await take(world, unfinishedWithin(100), "slow")).toEqual({ a: 1 });
});

test("a body occupies its place until the work on it is over, however that ends", async () => {
  const world = createWorld({ user_bodies_bytes_max: 10 });
  const work = Promise.withResolvers<void>();
  const working = faultOf(world.withBody(small(), "user", () => work.promise));
  await untilIdle();

  const meanwhile = await faultOf(take(world, small(), "user"));
  work.reject(new Error("failed"));
  await working;

  expect(meanwhile?.code).toBe("CONCURRENCY_EXCEEDED");
  expect(await take(world, small(), "user")).toEqual({ a: 1 });
});

test("a body larger than a bound is taken when there is no other", async () => {
  const world = createWorld({ user_bodies_bytes_max: 1, bodies_bytes_max: 1 });

  expect(await take(world, small(), "user")).toEqual({ a: 1 });
});

test("an encoded body counts as what it may become", async () => {
  const world = createWorld({ user_bodies_bytes_max: 150 });
  begin(world, unfinished(), "user");
  const encoded = post(Bun.gzipSync('{"a":1}'), {
    "content-encoding": "gzip",
    "content-length": "27",
  });

  expect((await faultOf(take(world, encoded, "user")))?.code).toBe("CONCURRENCY_EXCEEDED");
});
