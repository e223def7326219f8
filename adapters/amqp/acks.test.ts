import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createFakeClock } from "../../test/support/clock.ts";
import { createAcks } from "./acks.ts";

interface Numbered {
  fields: { deliveryTag: number };
}

const numbered = (deliveryTag: number): Numbered => ({ fields: { deliveryTag } });

/**
 * A channel as its broker keeps it: what is not settled, and every frame. A frame for what is settled already
 * would close the channel, so it throws; so does one that settles what is still open here.
 */
function createBroker(prefetch: number) {
  const unsettled = new Set<number>();
  const open = new Set<number>();
  const frames: string[] = [];
  const clock = createFakeClock(0);
  let tags = 0;

  function settle(tag: number): void {
    if (!unsettled.delete(tag)) throw new Error(`unknown delivery tag ${tag}`);
    if (open.has(tag)) throw new Error(`${tag} is acked although it is open`);
  }

  const acks = createAcks<Numbered>({
    prefetch: () => prefetch,
    now: clock.now,
    write: ({ fields: { deliveryTag } }, isUpTo) => {
      frames.push(isUpTo ? `up to ${deliveryTag}` : `${deliveryTag}`);
      const settled = isUpTo ? [...unsettled].filter((tag) => tag <= deliveryTag) : [];
      for (const tag of settled.length > 0 ? settled : [deliveryTag]) settle(tag);
    },
    schedule: clock.schedule,
  });

  return {
    acks,
    frames,
    unsettled,
    open,
    timerCount: clock.timerCount,
    deliver: (count: number): void => {
      for (let i = 0; i < count; i += 1) {
        tags += 1;
        unsettled.add(tags);
        open.add(tags);
        acks.arrived(numbered(tags));
      }
    },
    ack: (...some: number[]): void => {
      for (const tag of some) {
        open.delete(tag);
        acks.ack(numbered(tag));
      }
    },
    reject: (tag: number): void => {
      open.delete(tag);
      acks.left(numbered(tag));
      settle(tag);
    },
    advance: clock.advance,
  };
}

describe("acks of one channel", () => {
  test("that lie below everything open are one frame, whatever their order", async () => {
    const broker = createBroker(100);
    broker.deliver(4);

    broker.ack(2, 1, 3);
    await broker.advance(0);

    expect(broker.frames).toEqual(["up to 3"]);
  });

  test("that lie above an open delivery are written alone, so that it is not acked with them", async () => {
    const broker = createBroker(100);
    broker.deliver(5);

    broker.ack(1, 2, 4, 5);
    await broker.advance(0);

    expect(broker.frames).toEqual(["4", "5", "up to 2"]);
    expect([...broker.unsettled]).toEqual([3]);
  });

  test("are not written for what was given back or rejected before", async () => {
    const broker = createBroker(100);
    broker.deliver(3);

    broker.ack(1, 3);
    broker.reject(2);
    await broker.advance(0);

    expect(broker.frames).toEqual(["up to 3"]);
    expect(broker.unsettled.size).toBe(0);
  });

  test("wait for company only when others came just before", async () => {
    const broker = createBroker(1_000);
    broker.deliver(6);
    broker.ack(1);
    await broker.advance(0);
    const first = [...broker.frames];

    broker.ack(2);
    await broker.advance(2);
    broker.ack(3);
    await broker.advance(2);
    const early = [...broker.frames];
    await broker.advance(1);
    const together = [...broker.frames];
    await broker.advance(1_000);
    broker.ack(4);
    await broker.advance(0);

    expect([first, early, together]).toEqual([["up to 1"], ["up to 1"], ["up to 1", "up to 3"]]);
    expect(broker.frames.at(-1)).toBe("up to 4");
  });

  test("do not wait while the broker might be waiting for them", async () => {
    const broker = createBroker(20);
    broker.deliver(20);
    broker.ack(1);
    await broker.advance(0);

    broker.ack(2);
    await broker.advance(0);
    const gathering = [...broker.frames];
    broker.ack(3);
    await broker.advance(0);

    expect(gathering).toEqual(["up to 1"]);
    expect(broker.frames).toEqual(["up to 1", "up to 3"]);
  });

  test("are written at once when that is asked for, and never for a channel that is gone", async () => {
    const [closing, lost] = [createBroker(100), createBroker(100)];
    for (const broker of [closing, lost]) {
      broker.deliver(2);
      broker.ack(1, 2);
    }

    closing.acks.flush();
    lost.acks.stop();
    lost.acks.flush();

    expect([closing.frames, lost.frames]).toEqual([["up to 2"], []]);
    expect([closing.timerCount(), lost.timerCount()]).toEqual([0, 0]);
  });
});

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("deliver"), pick: fc.nat(8) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("ack"), pick: fc.nat(50) }) },
  fc.record({ do: fc.constant("reject"), pick: fc.nat(50) }),
  fc.record({ do: fc.constant("wait"), pick: fc.nat(8) }),
  fc.record({ do: fc.constant("flush"), pick: fc.nat(1) }),
);

test("in any order of ends, each delivery is settled once, none while open, and all in time", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 120 }),
      fc.integer({ min: 1, max: 60 }),
      async (steps, prefetch) => {
        const broker = createBroker(prefetch);
        let ended = 0;

        for (const { do: what, pick } of steps) {
          const open = [...broker.open];
          const tag = open[pick % Math.max(1, open.length)];
          if (what === "deliver") broker.deliver(Math.min(pick, prefetch - broker.unsettled.size));
          if (what === "wait") await broker.advance(pick);
          if (what === "flush") broker.acks.flush();
          if (what !== "ack" && what !== "reject") continue;
          if (tag === undefined) continue;
          ended += 1;
          if (what === "ack") broker.ack(tag);
          else broker.reject(tag);
        }
        await broker.advance(5);

        expect([...broker.unsettled]).toEqual([...broker.open]);
        expect(broker.frames.length).toBeLessThanOrEqual(ended);
        expect(broker.timerCount()).toBe(0);
      },
    ),
    { numRuns: 1_000 },
  );
});
