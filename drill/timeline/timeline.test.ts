import { expect, test } from "bun:test";

import { startRecorder, timelineText, type Reading } from "./timeline.ts";

const reading: Reading = {
  replicas: { worker: { wanted: 1, ready: 0 } },
  queued: 3,
  waiting: null,
  oldestSeconds: 0,
  tokensRunnable: 0,
  tokensPerMinute: 0,
};

test("a recorder goes on through readings that fail, and ends when it is told to", async () => {
  const answers = [undefined, reading, undefined];
  const seen = Promise.withResolvers<void>();
  const recorder = startRecorder(() => {
    if (answers.length === 0) seen.resolve();
    return Promise.resolve(answers.shift());
  }, 1);
  recorder.mark("wake", "phase");

  await seen.promise;
  await recorder.stop();

  expect(recorder.timeline.samples).toEqual([{ atSeconds: expect.any(Number), ...reading }]);
  expect(recorder.timeline.marks).toMatchObject([{ text: "wake", kind: "phase" }]);
});

test("a timeline is written as JSON, a sample a line", () => {
  const samples = [1, 2].map((atSeconds) => ({ atSeconds, ...reading }));
  const timeline = { startedAt: "2026-11-21T10:00:00.000Z", samples, marks: [] };
  const text = timelineText(timeline);

  expect(JSON.parse(text)).toEqual(timeline);
  expect(text.split("\n").filter((line) => line.includes("atSeconds"))).toHaveLength(2);
});
