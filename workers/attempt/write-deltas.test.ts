import { describe, expect, test } from "bun:test";

import { JsonText } from "../../core/json/json-text.ts";
import { silentLog } from "../../runtime/log.ts";
import { createFakeClock, untilIdle } from "../../test/support/clock.ts";
import { createDeltaWriter } from "./write-deltas.ts";

const HEAD = {
  requestId: "r",
  userId: "u",
  model: "m",
  windowDay: "2026-11-21",
  estimatedTokens: 1,
  createdAtMs: 0,
  expiresAtMs: 1,
};
const piece = (text: string) => JsonText.of([{ index: 0, delta: { content: text } }]);

/** A store of pieces that can be away, and in which every entry is written once. */
function setUp(said: string[] = []) {
  const clock = createFakeClock(1_000);
  const world = {
    isAway: false,
    begins: [] as boolean[],
    entries: new Map<string, string[]>(),
    /** What happens when an entry has been written, before its writer hears of it. */
    onWritten: (): void => {},
  };
  const writer = createDeltaWriter(
    {
      ...clock,
      log: silentLog,
      reach: () => {},
      beginDeltas: async (_, isContinued) => {
        if (world.isAway) throw new Error("away");
        world.begins.push(isContinued);
        return world.begins.length;
      },
      appendDeltas: async (_, { epoch, number }, pieces) => {
        if (world.isAway) throw new Error("away");
        const id = `${epoch}-${number}`;
        const texts = pieces.map(({ text }) => text);
        if (!world.entries.has(id)) world.entries.set(id, texts);
        world.onWritten();
      },
    },
    HEAD,
    said.map(piece),
  );
  return { ...clock, ...writer, world };
}

describe("the pieces of an answer", () => {
  test("are written at once, and those that follow closely together", async () => {
    const { deltas, advance, world } = setUp();

    deltas.add(piece("a"));
    await advance(0);
    deltas.add(piece("b"));
    deltas.add(piece("c"));
    await advance(20);

    expect([...world.entries.values()].map(({ length }) => length)).toEqual([1, 2]);
    expect(world.begins).toEqual([false]);
  });

  test("wait for a store that is away, in their order, and the answer does not wait for them", async () => {
    const { deltas, advance, world, flush } = setUp();
    world.isAway = true;
    deltas.add(piece("a"));
    await advance(100);
    deltas.add(piece("b"));
    world.isAway = false;
    await flush();

    expect([...world.entries]).toEqual([["1-1", [piece("a").text, piece("b").text]]]);
  });

  test("that come while others are written are written after them", async () => {
    const { deltas, advance, flush, world } = setUp();
    world.onWritten = () => {
      world.onWritten = () => {};
      deltas.add(piece("b"));
    };

    deltas.add(piece("a"));
    await advance(0);
    await flush();

    expect([...world.entries.values()]).toEqual([[piece("a").text], [piece("b").text]]);
  });

  test("are written once each when the reply to a write was lost", async () => {
    const { deltas, advance, flush, world } = setUp();
    world.onWritten = () => {
      world.onWritten = () => {};
      throw new Error("the reply was lost");
    };

    deltas.add(piece("a"));
    await advance(0);
    deltas.add(piece("b"));
    await flush();

    expect([...world.entries.values()]).toEqual([[piece("a").text], [piece("b").text]]);
  });

  test("do not hold the end up when the store stays away", async () => {
    const { deltas, flush, world } = setUp();
    world.isAway = true;
    deltas.add(piece("a"));

    await flush();
    await untilIdle();

    expect(deltas.choices()[0]?.text).toBe("a");
  });

  test("go on from those of a worker that died", async () => {
    const { deltas, advance, world } = setUp(["The answer "]);

    deltas.add(piece("is 42."));
    await advance(0);

    expect(world.begins).toEqual([true]);
    expect(deltas.choices()[0]?.text).toBe("The answer is 42.");
    expect([...world.entries.values()]).toEqual([[piece("is 42.").text]]);
  });
});
