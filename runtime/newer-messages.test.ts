import { expect, test } from "bun:test";

import { createFakeClock, untilIdle } from "../test/support/clock.ts";
import { silentLog } from "./log.ts";
import { createNewerMessages } from "./newer-messages.ts";

/** One message in the hands of a reader; `pass` lets the time pass for which it is kept. */
function keepOne(publish: () => Promise<void> = () => Promise.resolve()) {
  const events: string[] = [];
  const lost = new AbortController();
  const clock = createFakeClock(0);
  const messages = createNewerMessages({
    schedule: clock.schedule,
    log: silentLog,
  });
  const note = (event: string) => (): void => void events.push(event);
  messages.keep(
    {
      lost: lost.signal,
      publishUnchanged: () => (note("publish")(), publish()),
      ack: note("ack"),
      requeue: note("requeue"),
    },
    "version 9",
  );
  return {
    events,
    lost,
    messages,
    isKept: () => clock.timerCount() > 0,
    pass: () => clock.advance(5_000),
  };
}

const away = (): Promise<void> => Promise.reject(new Error("the broker is away"));
const silence = (): Promise<void> => new Promise(() => {});

test("a newer version's message is published before it is acked, and no delivery is counted", async () => {
  const { events, pass, isKept } = keepOne();
  const early = [...events];

  await pass();

  expect([early, events]).toEqual([[], ["publish", "ack"]]);
  expect(isKept()).toBe(false);
});

test("while the broker does not take it, it is kept, and not requeued", async () => {
  const { events, pass, isKept } = keepOne(away);

  for (let time = 0; time < 3; time += 1) await pass();

  expect(events).toEqual(["publish", "publish", "publish"]);
  expect(isKept()).toBe(true);
});

test("what the broker has given to somebody else is not published again", async () => {
  const { events, lost, pass, isKept } = keepOne();

  lost.abort();
  await pass();

  expect(events).toEqual([]);
  expect(isKept()).toBe(false);
});

test("handing over publishes at once, and resolves when nothing is kept", async () => {
  const { events, messages, isKept } = keepOne();

  await messages.handOver(new AbortController().signal);

  expect(events).toEqual(["publish", "ack"]);
  expect(isKept()).toBe(false);
});

test.each([
  ["does not take it", away],
  ["says nothing", silence],
])("handing over ends in time with a broker that %s: it is requeued", async (_, publish) => {
  const { events, messages } = keepOne(publish);
  const time = new AbortController();

  const over = messages.handOver(time.signal);
  await untilIdle();
  time.abort();
  await over;

  expect(events).toEqual(["publish", "requeue"]);
});
