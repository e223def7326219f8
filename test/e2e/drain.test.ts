import { expect, test } from "bun:test";

import { withStack } from "../support/stack/stack-tests.ts";

/** So long that what is added to it would end the process before its time. */
const DRAIN_MS = 10_000;
const LIMIT_MS = 60_000;

test(
  "a gateway that is stopped with a stream open ends it in order, and itself within its grace",
  () =>
    withStack(
      { notYet: ["worker"], settings: { gateway: { drain_ms: DRAIN_MS } } },
      async (stack) => {
        const user = await stack.addUser();
        const stream = await fetch(`${stack.url}/v1/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${user.apiKey}`, "content-type": "application/json" },
          body: JSON.stringify({
            model: "sim-chat",
            stream: true,
            messages: [{ role: "user", content: "hello" }],
          }),
          signal: AbortSignal.timeout(LIMIT_MS),
        });
        const reading = stream.text();
        const startedAtMs = performance.now();

        const exitCode = await stack.component("gateway-1").terminate(2 * DRAIN_MS);

        expect(exitCode).toBe(0);
        expect(performance.now() - startedAtMs).toBeLessThan(2 * DRAIN_MS);
        expect(await reading).toContain("wait_over");
        expect(stack.component("gateway-1").log()).not.toContain("the grace is over");
      },
    ),
  LIMIT_MS,
);
