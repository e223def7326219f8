import { expect } from "bun:test";

import { testsOnStack } from "../support/stack/stack-tests.ts";

const test = testsOnStack({});

const END_LIMIT_MS = 10_000;

test("no process starts with a Redis that is not what the configuration says", async (stack) => {
  const url = new URL(stack.urls.redis);
  url.pathname = "";
  const env = { REDIS_URL: url.href, TOLLGATE_REDIS__CLUSTER__NODES: url.host };

  for (const component of stack.components()) {
    await component.terminate();
    const start = component.start(env);
    const said = await start.catch((error: unknown) => error);
    const exitCode = await component.untilEnded(END_LIMIT_MS);

    expect(said).toBeInstanceOf(Error);
    expect(exitCode).toBe(1);
    expect(component.log()).toContain("that is no cluster: remove redis.cluster");
    await component.start();
  }
});
