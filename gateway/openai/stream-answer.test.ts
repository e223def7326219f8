import { describe, expect, test } from "bun:test";

import { JsonText } from "../../core/json/json-text.ts";
import type { DeltaEntry } from "../../core/request/delta-entry.ts";
import type { GatewayPorts } from "../ports.ts";
import { createFakeDoor } from "../../test/support/door-world.ts";
import { untilIdle } from "../../test/support/clock.ts";

const BODY = {
  model: "small",
  messages: [{ role: "user", content: "hello" }],
  stream: true,
  stream_options: { include_usage: true },
};
const CHAT = "/v1/chat/completions";
/** As SDKs say of a call that they make for the first time. */
const NOT_REPEATED = { "x-stainless-retry-count": "0" };
const said = (text: string) => ({ choices: [{ index: 0, text, finish_reason: "stop" }] });

/** A door whose pieces are written by the test. */
function setUp(overrides: Partial<GatewayPorts> = {}) {
  const written: DeltaEntry[] = [];
  const isAfter = (position: string, after: string): boolean => {
    const [epoch = 0, number = 0] = position.split("-").map(Number);
    const [afterEpoch = 0, afterNumber = 0] = after.split("-").map(Number);
    return epoch > afterEpoch || (epoch === afterEpoch && number > afterNumber);
  };
  const door = createFakeDoor(() => ({
    readDeltas: async (asked) =>
      asked.map(({ after }) => written.filter(({ position }) => isAfter(position, after))),
    ...overrides,
  }));
  let epoch = 0;
  let number = 0;
  return {
    ...door,
    begin: (isContinued = false) => {
      epoch += 1;
      number = 0;
      if (!isContinued) written.splice(0);
      written.push({ position: `${epoch}-0`, pieces: null, isContinued });
    },
    say: (content: string, finish_reason: string | null = null) => {
      number += 1;
      const piece = JsonText.of([{ index: 0, delta: { content }, finish_reason }]);
      written.push({ position: `${epoch}-${number}`, pieces: [piece] });
    },
    /** The store loses what was written and not read yet. */
    lose: () => written.splice(0),
    requestId: () => door.rows[0]?.head.requestId ?? "",
  };
}

/** The data of the events of a reply so far, read as they come. */
function reading({ body }: Response) {
  const events: string[] = [];
  const decoder = new TextDecoder();
  const over = (async () => {
    for await (const bytes of body ?? [])
      events.push(
        ...decoder
          .decode(bytes)
          .split("\n\n")
          .filter((event) => event.startsWith("data: "))
          .map((event) => event.slice(6)),
      );
  })();
  return { events, over };
}
const textOf = (events: readonly string[]): string =>
  events
    .filter((event) => event !== "[DONE]")
    .map(
      (event) =>
        (JSON.parse(event) as { choices?: { delta?: { content?: string } }[] }).choices?.[0]?.delta
          ?.content ?? "",
    )
    .join("");

describe("a stream", () => {
  test("gives the pieces as they come, then the usage with the receipt", async () => {
    const { post, begin, say, advance, finish, requestId } = setUp();
    const { response } = await post(CHAT, BODY);
    const { events, over } = reading(await response);

    begin();
    say("Hello");
    await advance(20);
    const early = textOf(events);
    say(" you", "stop");
    await finish(requestId(), said("Hello you"));
    await over;

    expect(early).toBe("Hello");
    expect(textOf(events)).toBe("Hello you");
    expect(JSON.parse(events.at(-2) ?? "")).toMatchObject({
      object: "chat.completion.chunk",
      choices: [],
      usage: { total_tokens: 12 },
      tollgate: { request_id: requestId(), tokens: { used: 12 } },
    });
    expect(events.at(-1)).toBe("[DONE]");
  });

  test("gets from the result what the pieces lack", async () => {
    const { post, begin, say, advance, finish, requestId } = setUp();
    const { response } = await post(CHAT, BODY);
    const { events, over } = reading(await response);

    begin();
    say("Hello");
    await advance(20);
    await finish(requestId(), said("Hello you"));
    await over;

    expect(textOf(events)).toBe("Hello you");
  });

  test("has no hole where pieces were lost: the result has what comes from there on", async () => {
    const { post, begin, say, lose, advance, finish, requestId } = setUp();
    const { response } = await post(CHAT, BODY);
    const { events, over } = reading(await response);

    begin();
    say("Hello");
    await advance(20);
    say(" dear");
    lose();
    say(" you", "stop");
    await advance(20);
    await finish(requestId(), said("Hello dear you"));
    await over;

    expect(textOf(events)).toBe("Hello dear you");
  });

  test("goes on when the next worker goes on from what was said", async () => {
    const { post, begin, say, advance, finish, requestId } = setUp();
    const { response } = await post(CHAT, BODY);
    const { events, over } = reading(await response);

    begin();
    say("Hello");
    await advance(20);
    begin(true);
    say(" you", "stop");
    await finish(requestId(), said("Hello you"));
    await over;

    expect(textOf(events)).toBe("Hello you");
    expect(events.at(-1)).toBe("[DONE]");
  });

  test("breaks off when the next worker begins anew with what was said already", async () => {
    const { post, begin, say, advance, cancelled } = setUp();
    const { response } = await post(CHAT, BODY);
    const { events, over } = reading(await response);

    begin();
    say("Hello");
    await advance(20);
    begin();
    say("Other words");
    await advance(20);
    await over;

    expect(textOf(events.slice(0, -1))).toBe("Hello");
    expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({ error: { code: "upstream_failed" } });
    // The answer is made all the same, and can be read.
    await advance(60_000);
    expect(cancelled).toEqual([]);
  });

  test("that breaks off says nothing of the answer made anew, however slow the store is", async () => {
    const letGo = Promise.withResolvers<void>();
    const { post, begin, say, advance } = setUp({ letGoCall: () => letGo.promise });
    const { response } = await post(CHAT, BODY);
    const { events, over } = reading(await response);

    begin();
    say("Hello");
    await advance(20);
    begin();
    await advance(20);
    say("Other words");
    await advance(20);
    letGo.resolve();
    await over;

    expect(textOf(events.slice(0, -1))).toBe("Hello");
    expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({ error: { code: "upstream_failed" } });
  });

  test("that broke off is found by who calls again, with the answer made anew", async () => {
    const { post, begin, say, advance, finish, rows, requestId } = setUp();
    const first = await post(CHAT, BODY, NOT_REPEATED);
    const broken = reading(await first.response);
    begin();
    say("Hello");
    await advance(20);
    begin();
    await advance(20);
    await broken.over;

    const again = await post(CHAT, BODY, NOT_REPEATED);
    const { events, over } = reading(await again.response);
    await finish(requestId(), said("Other words"));
    await over;

    expect(rows).toHaveLength(1);
    expect(textOf(events)).toBe("Other words");
    // One call that fails is repeated once: the next one is meant.
    await post(CHAT, BODY, NOT_REPEATED);
    expect(rows).toHaveLength(2);
  });

  test("whose pieces lack what nobody can know is found by who calls again, too", async () => {
    const { post, begin, say, advance, finish, rows, requestId } = setUp();
    const first = await post(CHAT, BODY, NOT_REPEATED);
    const broken = reading(await first.response);
    begin();
    say("Hello");
    await advance(20);
    await finish(requestId(), said("Hi"));
    await broken.over;

    const again = await post(CHAT, BODY, NOT_REPEATED);
    const { events, over } = reading(await again.response);
    await over;

    expect(JSON.parse(broken.events.at(-1) ?? "")).toHaveProperty("error");
    expect(rows).toHaveLength(1);
    expect(textOf(events)).toBe("Hi");
    expect(events.at(-1)).toBe("[DONE]");
  });

  test("tells the error that its request ended with", async () => {
    const { post, finish, requestId } = setUp();
    const { response } = await post(CHAT, BODY);
    const { events, over } = reading(await response);

    const error = { code: "UPSTREAM_REJECTED", message: "no" } as const;
    await finish(requestId(), null, { state: "failed", error });
    await over;

    expect(JSON.parse(events[0] ?? "")).toMatchObject({ error: { code: "upstream_rejected" } });
  });

  test("whose reader has read and goes is cancelled at once", async () => {
    const { post, begin, say, advance, cancelled, requestId } = setUp();
    const gone = new AbortController();
    const { response } = await post(CHAT, BODY, {}, gone.signal);
    const { over } = reading(await response);
    begin();
    say("Hello");
    await advance(20);

    gone.abort();
    await advance(1);
    await untilIdle();

    expect(cancelled).toEqual([requestId()]);
    await over;
  });

  test("goes on to its end while its gateway stops, and is told when it may not", async () => {
    const { post, begin, say, advance, finish, gateway, rows } = setUp();
    const open = [await post(CHAT, BODY), await post(CHAT, BODY)];
    const [first, second] = await Promise.all(
      open.map(async ({ response }) => reading(await response)),
    );

    gateway.beginDrain();
    begin();
    say("Hello", "stop");
    await advance(20);
    await finish(rows[0]?.head.requestId ?? "", said("Hello"));
    await first?.over;
    await gateway.endDrain(0);
    await second?.over;

    expect(first?.events.at(-1)).toBe("[DONE]");
    expect(JSON.parse(second?.events.at(-1) ?? "")).toMatchObject({ error: { code: "wait_over" } });
  });

  test("keeps its connection alive while nothing comes", async () => {
    const { post, advance } = setUp();
    const { response } = await post(CHAT, BODY);
    const reader = (await response).body?.getReader();
    const read = async () => new TextDecoder().decode((await reader?.read())?.value);

    const first = await read();
    await advance(10_000);

    expect([first, await read()]).toEqual([": accepted\n\n", ": wait\n\n"]);
  });

  test("answers a refusal before it begins, with a status", async () => {
    const { post } = setUp();

    const { response } = await post(CHAT, { ...BODY, n: 99 });

    expect((await response).status).toBe(422);
  });
});
