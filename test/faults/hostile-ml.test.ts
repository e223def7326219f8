import { expect } from "bun:test";

import type { FaultCode } from "../../core/faults.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";

const test = testsOnStack({
  settings: {
    retry: { attempts_max: 2, delays_ms: [100] },
    models: { "sim-chat": { timeout_ms: 700, breaker_failures: 50 } },
  },
});

/**
 * Faults in which the ML service begins no work (429, 503, …) use up no attempt: test/e2e/queue.test.ts.
 *
 * The code in which a fault of the ML service ends; null: the request completes nevertheless. */
const FAULT_ENDS: readonly { fault: string; code: FaultCode | null; attempts: number }[] = [
  { fault: "400", code: "UPSTREAM_REJECTED", attempts: 1 },
  { fault: "500", code: "UPSTREAM_FAILED", attempts: 2 },
  { fault: "timeout", code: "UPSTREAM_TIMEOUT", attempts: 2 },
  { fault: "drip", code: "UPSTREAM_TIMEOUT", attempts: 2 },
  { fault: "truncate", code: "UPSTREAM_REPLY_INVALID", attempts: 2 },
  { fault: "reset", code: "UPSTREAM_FAILED", attempts: 2 },
  { fault: "huge", code: "UPSTREAM_REPLY_TOO_LARGE", attempts: 1 },
  { fault: "slow:200", code: null, attempts: 1 },
  { fault: "slow:2000", code: "UPSTREAM_TIMEOUT", attempts: 2 },
  { fault: "no-usage", code: null, attempts: 1 },
  { fault: "negative-usage", code: null, attempts: 1 },
];

for (const { fault, code, attempts } of FAULT_ENDS)
  test(`an ML service that does ${fault} ends in ${code ?? "completed"}; the books agree`, async (stack) => {
    const user = await stack.addUser();
    const api = stack.api(user);

    const accepted = await api.generate({ prompt: `hostile [[sim:${fault}]]`, max_tokens: 50 });
    const ended = await api.untilEnded(accepted.request_id);
    await stack.books.untilQuiet();

    const { status, error } = ended;
    expect({ status, code: error?.code ?? null, attempts: ended.attempts }).toEqual({
      status: code === null ? "completed" : "failed",
      code,
      attempts,
    });
    const { differences, holdsOpen } = await stack.books.audit();
    expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
    const snapshot = await stack.books.quota.read(user.userId);
    expect(snapshot?.windows.daily.used.tokens).toBe(ended.tokens.total ?? 0);
    if (code === null) expect(ended.tokens.total).toBeGreaterThan(0);
  });

/** Of an ML service that could not be asked: time passes, attempts do not. */
for (const fault of ["401", "404", "429:0", "502", "503"])
  test(`an ML service that does ${fault} uses up no attempt, only the time of the request`, async (stack) => {
    const user = await stack.addUser();
    const api = stack.api(user);

    const prompt = `hostile [[sim:${fault}]]`;
    const accepted = await api.generate({ prompt, max_tokens: 50, queue_ttl: 2 });
    const { status, attempts, error } = await api.untilEnded(accepted.request_id);
    await stack.books.untilQuiet();

    expect({ status, attempts, code: error?.code }).toEqual({
      status: "expired",
      attempts: 0,
      code: "QUEUE_TTL_PASSED",
    });
    const { differences, holdsOpen } = await stack.books.audit();
    expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
    const snapshot = await stack.books.quota.read(user.userId);
    expect(snapshot?.windows.daily.used.tokens).toBe(0);
  });

test("a worker's memory stays where it was through replies of 200 MB", async (stack) => {
  const [worker] = stack.workers;
  const api = stack.api(await stack.addUser());
  const before = worker?.memoryBytes() ?? 0;

  const requests = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      api.generate({ prompt: `${index} [[sim:huge:209715200]]` }),
    ),
  );
  await Promise.all(requests.map(({ request_id: requestId }) => api.untilEnded(requestId)));

  expect((worker?.memoryBytes() ?? 0) - before).toBeLessThan(100 * 1024 * 1024);
  await stack.books.untilQuiet();
});
