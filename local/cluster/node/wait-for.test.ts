import { expect, test } from "bun:test";

import { waitFor } from "./wait-for.ts";

const signal = AbortSignal.timeout(60_000);
const nothing = { signal, check: () => {} };

test("errors are no value yet, and the last of them is named when the time is over", async () => {
  const refused = (): Promise<never> => Promise.reject(new Error("connection refused"));

  const failure = waitFor("it serves", 1, nothing, refused);

  expect(failure).rejects.toThrow("not within 0.001 s: it serves: connection refused");
});

test("what cannot come any more is not awaited until the time is over", async () => {
  const ended = {
    signal,
    check: () => {
      throw new Error("etcd has ended");
    },
  };

  expect(waitFor("it serves", 60_000, ended, async () => undefined)).rejects.toThrow(
    "etcd has ended",
  );
});

test("an abort ends the wait", async () => {
  const aborted = { signal: AbortSignal.abort(new Error("interrupted")), check: () => {} };

  expect(waitFor("it serves", 60_000, aborted, async () => 1)).rejects.toThrow("interrupted");
});
