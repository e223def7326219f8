import { expect, test } from "bun:test";
import { tracingChannel } from "node:diagnostics_channel";

import { skipUnreadTraces } from "./untraced.ts";

test("a tracing channel tells whether somebody reads it", () => {
  skipUnreadTraces();
  const channel = tracingChannel(`test-${crypto.randomUUID()}`);
  const read = {
    start: () => {},
    end: () => {},
    asyncStart: () => {},
    asyncEnd: () => {},
    error: () => {},
  };

  const before = channel.hasSubscribers;
  channel.subscribe(read);
  const during = channel.hasSubscribers;
  channel.unsubscribe(read);

  expect([before, during, channel.hasSubscribers]).toEqual([false, true, false]);
});

test("a traced command is still seen by who traces", async () => {
  skipUnreadTraces();
  const channel = tracingChannel<object, object>(`test-${crypto.randomUUID()}`);
  let started = 0;
  channel.start.subscribe(() => {
    started += 1;
  });

  await channel.tracePromise(() => Promise.resolve(1), {});

  expect(started).toBe(1);
});
