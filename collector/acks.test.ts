import { expect, test } from "bun:test";

import { createAcks } from "./acks.ts";
import type { ResultDelivery } from "./ports.ts";

/** Deliveries of one channel that write down how they were answered. */
function deliver(count: number) {
  const frames: string[] = [];
  const channel = new AbortController();
  const acks = createAcks();
  const deliveries = Array.from({ length: count }, (_, index): ResultDelivery => {
    const say = (kind: string) => () => void frames.push(`${kind} ${index}`);
    return {
      decoded: { kind: "unreadable", what: "result", reason: "" },
      lost: channel.signal,
      ack: say("ack"),
      ackUpTo: say("ackUpTo"),
      reject: say("reject"),
      requeue: say("requeue"),
    };
  });
  for (const delivery of deliveries) acks.arrived(delivery);
  const endings = deliveries.map((delivery) => ({ delivery, isUnreadable: false }));
  return { acks, frames, channel, deliveries, endings };
}

test("a batch with nothing open before it is acked by one frame", () => {
  const { acks, frames, endings } = deliver(4);

  acks.done(endings.slice(0, 3));

  expect(frames).toEqual(["ackUpTo 2"]);
});

test("a batch that overtook another is acked one by one, so that the other is not acked with it", () => {
  const { acks, frames, endings } = deliver(4);

  acks.done(endings.slice(2));
  acks.done(endings.slice(0, 2));

  expect(frames).toEqual(["ack 2", "ack 3", "ackUpTo 1"]);
});

test("what lies before an open delivery is acked by one frame, what lies behind it alone", () => {
  const { acks, frames, endings } = deliver(5);

  acks.done(endings.filter((_, index) => index !== 2));

  expect(frames).toEqual(["ackUpTo 1", "ack 3", "ack 4"]);
});

test("an unreadable message is rejected before the frame that would ack it", () => {
  const { acks, frames, endings } = deliver(3);

  acks.done(endings.map((ending, index) => ({ ...ending, isUnreadable: index === 1 })));

  expect(frames).toEqual(["reject 1", "ackUpTo 2"]);
});

test("deliveries of a lost channel are not answered and hold up no others", () => {
  const { acks, frames, channel, endings } = deliver(2);
  const later = deliver(1);
  channel.abort();
  for (const delivery of later.deliveries) acks.arrived(delivery);

  acks.done(later.endings);
  acks.done(endings);

  expect(later.frames).toEqual(["ackUpTo 0"]);
  expect(frames).toEqual([]);
});

test("what is given back is given back once", () => {
  const { acks, frames, deliveries } = deliver(2);

  acks.giveBack(deliveries);
  acks.giveBack(deliveries);

  expect(frames).toEqual(["requeue 0", "requeue 1"]);
});
