import { describe, expect, test } from "bun:test";

import { promptTokens } from "../core/request/estimate.ts";
import { payloadOf } from "../test/support/payloads.ts";
import type { RequestError } from "../core/request/request.ts";
import { untilIdle } from "../test/support/clock.ts";
import {
  answered,
  failed,
  type FakeWorld,
  lastErrorOf,
  MODEL,
  startFakeWorld,
} from "../test/support/worker-world.ts";

const callOf = (world: FakeWorld, id: string) => {
  const call = world.calls.findLast(({ requestId }) => requestId === id);
  if (call === undefined) throw new Error(`the ML service was not called for ${id}`);
  return call;
};

describe("one attempt", () => {
  test("publishes the result before it acks", async () => {
    const world = await startFakeWorld();
    await world.deliver("a");

    await callOf(world, "a").answer(answered);

    expect(world.events).toEqual(["W1", "call a", "W2", "result a completed", "W3", "ack a"]);
    expect(world.results[0]).toMatchObject({
      state: "completed",
      attempts: 1,
      startedAtMs: 1_000_000,
      usage: { promptTokens: 3, completionTokens: 2, source: "reported" },
      error: null,
    });
    expect(world.worker.snapshot().owned).toBe(0);
  });

  test("counts the tokens itself when the ML service reports none", async () => {
    const world = await startFakeWorld();
    await world.deliver("a");

    await callOf(world, "a").answer({ ...answered, usage: null });

    expect(world.results[0]?.usage).toEqual({
      promptTokens: 1,
      completionTokens: 2,
      source: "counted",
    });
  });

  test("counts a chat as the gateway counted it for the estimate", async () => {
    const world = await startFakeWorld();
    const messages = [
      { role: "system", content: "be short" },
      { role: "user", content: "why is that" },
    ] as const;
    world.ports.openPayload = () => payloadOf({ input: { messages } });
    await world.deliver("a");

    await world.calls[0]?.answer({ ...answered, usage: null });

    expect(world.results[0]?.usage?.promptTokens).toBe(
      promptTokens({ messages: 2, tokens: 0, media: 0 }, 5, 0),
    );
  });

  test("clears the start, hands the request to its next attempt, and only then acks", async () => {
    const world = await startFakeWorld();
    await world.deliver("a");

    await callOf(world, "a").answer(failed("UPSTREAM_FAILED"));

    expect(world.events.slice(-5)).toEqual([
      "W2",
      "clear a after 1",
      "delay a until 1001000",
      "retry a",
      "ack a",
    ]);
    const lastError = { code: "UPSTREAM_FAILED", message: "the ML service failed" };
    expect(world.retries[0]).toMatchObject({
      request: { attempt: 2, lastError },
      delay: { stepMs: 1_000, expirationMs: 500 },
    });
    expect(await lastErrorOf(world, "a")).toEqual(lastError as RequestError);
  });

  test("is retried although its delay cannot be noted", async () => {
    const world = await startFakeWorld();
    world.ports.noteDelayed = () => Promise.reject(new Error("Redis is away"));
    const delivery = await world.deliver("a");

    await callOf(world, "a").answer(failed("UPSTREAM_FAILED"));

    expect(delivery.conclusions).toEqual(["ack"]);
    expect(world.retries).toHaveLength(1);
  });

  test("out of attempts ends as failed, unbilled, with a copy for the dead letters", async () => {
    const world = await startFakeWorld();
    await world.deliver("a", { request: { attempt: 3 } });

    await callOf(world, "a").answer(failed("UPSTREAM_TIMEOUT"));

    expect(world.events.slice(-4)).toEqual([
      "result a failed",
      "W3",
      "dead a UPSTREAM_TIMEOUT",
      "ack a",
    ]);
    expect(world.results[0]).toMatchObject({ usage: null, attempts: 3, result: null });
  });

  test("takes along what the ML service said of it, to its result and its dead letter", async () => {
    const world = await startFakeWorld();
    await world.deliver("a");
    const upstream = { status: 422, message: "temperature is too high" };

    await callOf(world, "a").answer({ ...failed("UPSTREAM_REJECTED"), upstream } as never);

    const [detail, copy] = [world.results[0]?.errorDetail, world.dead[0]?.reason.errorDetail];
    expect(JSON.parse(new TextDecoder().decode(detail))).toEqual(upstream);
    expect(copy).toEqual(detail);
  });

  test("whose payload cannot be opened ends at once without a call", async () => {
    const world = await startFakeWorld();
    world.ports.openPayload = () => {
      throw new Error("no such key");
    };

    const delivery = await world.deliver("a");

    expect(world.calls).toEqual([]);
    expect(world.dead[0]?.reason).toMatchObject({ code: "PAYLOAD_UNREADABLE" });
    expect(delivery.conclusions).toEqual(["ack"]);
  });

  test("goes on when the hint store is away", async () => {
    const world = await startFakeWorld();
    world.ports.markStarted = () => Promise.reject(new Error("Redis is away"));
    await world.deliver("a");

    await callOf(world, "a").answer(answered);

    expect(world.results[0]?.state).toBe("completed");
  });

  test("in which our own code throws counts as one, and its actor is replaced", async () => {
    const world = await startFakeWorld({ actors: 1 });
    await world.deliver("a");

    await callOf(world, "a").fail(new Error("a bug"));
    await world.deliver("b");
    await callOf(world, "b").answer(answered);

    expect(world.retries[0]?.request).toMatchObject({ attempt: 2, head: { requestId: "a" } });
    expect(world.results[0]?.head.requestId).toBe("b");
    expect(world.worker.snapshot()).toMatchObject({ owned: 0, actors: { idle: 1, busy: 0 } });
  });

  test("in which our own code throws again and again ends the request", async () => {
    const world = await startFakeWorld();
    await world.deliver("a", { request: { attempt: 3 } });

    await callOf(world, "a").fail(new Error("a bug"));

    expect(world.dead[0]?.reason.code).toBe("WORKER_CRASHED");
  });
});

describe("a delivery that must not run", () => {
  test.each([
    ["expired", { request: { expiresAtMs: 999_999 } }, "expired", "QUEUE_TTL_PASSED"],
    ["delivered too often", { deliveryCount: 16 }, "failed", "WORKER_CRASHED"],
  ] as const)("%s ends unbilled and without a call", async (_name, more, state, code) => {
    const world = await startFakeWorld();

    const delivery = await world.deliver("a", more);

    expect(world.calls).toEqual([]);
    expect(world.results[0]).toMatchObject({ state, usage: null, attempts: 0, error: { code } });
    expect(delivery.conclusions).toEqual(["ack"]);
  });

  test("cancelled while it waited in the queue ends unbilled", async () => {
    const world = await startFakeWorld();
    await world.hints.markCancelled({ userId: "user", requestId: "a" });

    await world.deliver("a");

    expect(world.calls).toEqual([]);
    expect(world.results[0]).toMatchObject({ state: "cancelled", usage: null, attempts: 0 });
  });

  test("that killed its workers ends as failed and goes to the dead letters", async () => {
    const world = await startFakeWorld();
    await world.killWorkersAt("a", 3);

    await world.deliver("a", { deliveryCount: 3 });

    expect(world.calls).toEqual([]);
    expect(world.results[0]).toMatchObject({ state: "failed", usage: null, attempts: 1 });
    expect(world.dead[0]?.reason.code).toBe("WORKER_CRASHED");
  });

  test("that cannot be read is rejected to the dead letters", async () => {
    const world = await startFakeWorld();

    const delivery = await world.deliver("a", {
      unreadable: { isNewer: false },
    });

    expect(delivery.conclusions).toEqual(["reject"]);
  });

  test("of a newer version is kept a while for newer workers, and goes round as it came", async () => {
    const world = await startFakeWorld();
    const delivery = await world.deliver("a", {
      unreadable: { isNewer: true },
    });
    await world.clock.advance(4_999);
    const early = [...delivery.conclusions];

    await world.clock.advance(1);

    expect([early, delivery.conclusions]).toEqual([[], ["ack"]]);
    expect(world.events).toEqual(["unchanged a", "ack a"]);
  });
});

describe("a cancellation", () => {
  test("of an executing request aborts the call and bills the prompt", async () => {
    const world = await startFakeWorld();
    const delivery = await world.deliver("a");

    await world.cancel("a");

    expect(callOf(world, "a").signal.aborted).toBe(true);
    expect(world.results[0]).toMatchObject({
      state: "cancelled",
      usage: { promptTokens: 1, completionTokens: 0, source: "counted" },
    });
    expect(delivery.conclusions).toEqual(["ack"]);
  });

  test("before the call ends the request unbilled: nothing was executed", async () => {
    const world = await startFakeWorld();
    const { openPayload } = world.ports;
    const opening = Promise.withResolvers<void>();
    world.ports.openPayload = (request) => opening.promise.then(() => openPayload(request));
    await world.deliver("a");

    await world.cancel("a");
    opening.resolve();
    await untilIdle();

    expect(world.calls).toEqual([]);
    expect(world.results[0]).toMatchObject({ state: "cancelled", usage: null, attempts: 0 });
  });

  test("of a request that waits for its model ends it at once, unbilled", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
    await world.deliver("a");
    const waiting = await world.deliver("b");

    await world.cancel("b");

    expect(world.results[0]).toMatchObject({ state: "cancelled", usage: null });
    expect(waiting.conclusions).toEqual(["ack"]);
    expect(callOf(world, "a").signal.aborted).toBe(false);
  });

  test("after the answer changes nothing", async () => {
    const world = await startFakeWorld();
    await world.deliver("a");
    const call = callOf(world, "a");

    void call.answer(answered);
    await world.cancel("a");
    await untilIdle();

    expect(world.results.map(({ state }) => state)).toEqual(["completed"]);
  });
});

describe("a publish that fails", () => {
  test("is repeated with growing pauses, and the ack waits for it", async () => {
    const world = await startFakeWorld();
    const publishResult = world.ports.publishResult;
    world.ports.publishResult = () => Promise.reject(new Error("the broker is away"));
    const delivery = await world.deliver("a");
    await callOf(world, "a").answer(answered);
    await world.clock.advance(10_000);
    expect(delivery.conclusions).toEqual([]);

    world.ports.publishResult = publishResult;
    await world.clock.advance(5_000);

    expect(delivery.conclusions).toEqual(["ack"]);
    expect(world.results).toHaveLength(1);
  });

  test("ends when the channel is lost: the broker delivers again", async () => {
    const world = await startFakeWorld();
    world.ports.publishResult = () => Promise.reject(new Error("the broker is away"));
    const delivery = await world.deliver("a");
    await callOf(world, "a").answer(answered);

    delivery.loseChannel();
    await untilIdle();

    expect(delivery.conclusions).toEqual([]);
    expect(world.worker.snapshot().owned).toBe(0);
    expect(world.clock.timerCount()).toBe(world.timersAtRest);
  });
});

test("a lost channel aborts the call, whose answer somebody else will pay for", async () => {
  const world = await startFakeWorld();
  const delivery = await world.deliver("a");

  delivery.loseChannel();
  await untilIdle();

  expect(callOf(world, "a").signal.aborted).toBe(true);
  expect(world.results).toEqual([]);
  expect(world.worker.snapshot().owned).toBe(0);
});
