import { afterAll, expect, test } from "bun:test";

import { JsonText } from "../../core/json/json-text.ts";
import { FIRST_POSITION } from "../../core/request/delta-entry.ts";
import { connectForTest } from "../../test/support/redis.ts";
import { createSealer } from "../crypto/envelope.ts";
import { createDeltaStreams } from "./delta-streams.ts";
import { deltasKey } from "./keys.ts";

const sealer = createSealer(`k1:${Buffer.alloc(32, 1).toString("base64")}`);
const redis = await connectForTest();
const streams = createDeltaStreams(redis, sealer);
afterAll(() => redis.close());

const newRequest = () => ({ requestId: crypto.randomUUID(), userId: crypto.randomUUID() });
const piece = (text: string) => JsonText.of([{ index: 0, delta: { content: text } }]);

test("pieces come back as they were written, in order, from any position, and nowhere in plain", async () => {
  const request = newRequest();
  const epoch = await streams.begin(request, false);
  await streams.append(request, { epoch, number: 1 }, [piece("canary"), piece("b")]);
  await streams.append(request, { epoch, number: 2 }, [piece("c")]);

  const [all] = await streams.read([{ ...request, after: FIRST_POSITION }]);
  const [rest, none] = await streams.read([
    { ...request, after: `${epoch}-1` },
    { ...newRequest(), after: FIRST_POSITION },
  ]);

  expect(all?.map(({ position }) => position)).toEqual(
    [0, 1, 2].map((number) => `${epoch}-${number}`),
  );
  expect(all?.[1]?.pieces?.map(({ text }) => text)).toEqual([
    piece("canary").text,
    piece("b").text,
  ]);
  expect(rest?.map(({ position }) => position)).toEqual([`${epoch}-2`]);
  expect(none).toEqual([]);
  const raw = await redis.run(({ client }) =>
    client.xrangeBuffer(deltasKey(request.userId, request.requestId), "-", "+"),
  );
  expect(
    Buffer.concat((raw as [Buffer, Buffer[]][]).flatMap(([, fields]) => fields)).includes("canary"),
  ).toBe(false);
});

test("an entry that is written twice is there once", async () => {
  const request = newRequest();
  const epoch = await streams.begin(request, false);

  for (let times = 0; times < 2; times += 1)
    await streams.append(request, { epoch, number: 1 }, [piece("a")]);

  const [all] = await streams.read([{ ...request, after: FIRST_POSITION }]);
  expect(all).toHaveLength(2);
});

test("a worker that was taken for dead cannot write behind the one that has taken over", async () => {
  const request = newRequest();
  const frozen = await streams.begin(request, false);
  await streams.append(request, { epoch: frozen, number: 1 }, [piece("a")]);
  const next = await streams.begin(request, true);

  await streams.append(request, { epoch: frozen, number: 2 }, [piece("late")]);

  const [all] = await streams.read([{ ...request, after: FIRST_POSITION }]);
  expect(next).toBeGreaterThan(frozen);
  expect(all?.map(({ position }) => position)).toEqual([`${frozen}-0`, `${frozen}-1`, `${next}-0`]);
  expect(all?.at(-1)).toMatchObject({ pieces: null, isContinued: true });
});

test("who comes when the answer is made anew gets nothing of the one before", async () => {
  const request = newRequest();
  const first = await streams.begin(request, false);
  await streams.append(request, { epoch: first, number: 1 }, [piece("a")]);

  const second = await streams.begin(request, false);

  const [all] = await streams.read([{ ...request, after: FIRST_POSITION }]);
  expect(all?.map(({ position }) => position)).toEqual([`${second}-0`]);
});

test("of two workers that begin anew at once the later one is what readers get", async () => {
  const request = newRequest();

  const epochs = await Promise.all([streams.begin(request, false), streams.begin(request, false)]);

  const [all] = await streams.read([{ ...request, after: FIRST_POSITION }]);
  expect(all?.map(({ position }) => position)).toEqual([`${Math.max(...epochs)}-0`]);
  expect(new Set(epochs).size).toBe(2);
});

test("a worker that begins after Redis has lost all begins behind what readers have had", async () => {
  const request = newRequest();
  const lost = await streams.begin(request, false);
  await streams.append(request, { epoch: lost, number: 1 }, [piece("a")]);
  await redis.run(({ client }) => client.del(deltasKey(request.userId, request.requestId)));

  const next = await streams.begin(request, false);

  const [rest] = await streams.read([{ ...request, after: `${lost}-1` }]);
  expect(rest?.map(({ position }) => position)).toEqual([`${next}-0`]);
});

test("pieces do not stay for ever", async () => {
  const request = newRequest();
  await streams.begin(request, false);

  const ttl = await redis.run(({ client }) =>
    client.ttl(deltasKey(request.userId, request.requestId)),
  );

  expect(ttl).toBeGreaterThan(500);
});
