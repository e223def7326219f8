import { expect, test } from "bun:test";

import { type Held, hold } from "./held.ts";
import { createHoldings } from "./holdings.ts";
import type { Delivery } from "./ports.ts";

const nothing = (): void => {};

function heldOn(lost: AbortSignal, requestId: string): Held {
  const request = {
    head: {
      requestId,
      userId: "user",
      model: "m",
      windowDay: "2026-11-21",
      estimatedTokens: 1,
      createdAtMs: 0,
      expiresAtMs: 1,
    },
    attempt: 1,
    payload: new Uint8Array(),
  };
  const delivery: Delivery = {
    decoded: { ok: true, request },
    deliveryCount: 0,
    redelivered: false,
    lost,
    ack: nothing,
    requeue: nothing,
    reject: nothing,
    publishUnchanged: () => Promise.resolve(),
  };
  return hold(delivery, request, 0);
}

test("a channel that goes takes with it what is owned of it, once, and nothing of another", () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const lost: Held[] = [];
  const holdings = createHoldings((held) => {
    lost.push(held);
    holdings.remove(held);
  });
  const [a, b, ended] = ["a", "b", "ended"].map((id) => heldOn(first.signal, id)) as [
    Held,
    Held,
    Held,
  ];
  const other = heldOn(second.signal, "other");
  for (const held of [a, ended, other, b]) holdings.add(held);
  holdings.remove(ended);

  first.abort();

  expect(lost).toEqual([a, b]);
  expect([...holdings.all()]).toEqual([other]);
});
