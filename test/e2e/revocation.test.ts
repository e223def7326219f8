import { expect } from "bun:test";

import { untilTrue } from "../../local/stack/eventually.ts";
import { commandsOn } from "../cli/command.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

const test = testsOnStack({ gateways: 2 });

/** Of the issue: a key is refused everywhere so long after its revocation was stored. */
const REVOKED_MS = 2_000;

/** The status of a call that needs PostgreSQL alone, at each gateway. */
const statuses = ({ gateways }: TestStack, apiKey: string): Promise<number[]> =>
  Promise.all(
    gateways.map(async ({ url }) => {
      const response = await fetch(`${url}/usage`, { headers: { "x-api-key": apiKey } });
      await response.arrayBuffer();
      return response.status;
    }),
  );

async function untilAll(stack: TestStack, apiKey: string, status: number): Promise<void> {
  await untilTrue(`${status} everywhere`, REVOKED_MS, async () =>
    (await statuses(stack, apiKey)).every((one) => one === status),
  );
}

test("a key is refused everywhere within 2 seconds while Redis is away, and after", async (stack) => {
  const proxy = await startTcpProxy(stack.urls.redis);
  const behindProxy = { REDIS_URL: proxy.url };
  const restart = async (): Promise<void> => {
    for (const { terminate, start } of stack.gateways) {
      await terminate();
      await start(behindProxy);
    }
  };
  await restart();
  const [revoked, inactive, kept] = [
    await stack.addUser(),
    await stack.addUser(),
    await stack.addUser(),
  ];
  const tollgate = commandsOn(stack, behindProxy);
  for (const { apiKey } of [revoked, inactive, kept]) await untilAll(stack, apiKey, 200);
  const revocation = tollgate("key", "revoke", revoked.apiKey);
  proxy.refuse();

  const { exitCode, err } = await revocation;
  await untilAll(stack, revoked.apiKey, 401);
  const deactivation = stack.books.database.run(
    "deactivate by hand",
    (sql) => sql`update users set active = false where user_id = ${inactive.userId}`,
  );
  await deactivation;
  await untilAll(stack, inactive.apiKey, 401);
  expect(await statuses(stack, kept.apiKey)).toEqual([200, 200]);
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: expect.stringContaining("2 seconds") });

  // Redis comes back with what it had cached of the keys.
  proxy.heal();
  await untilTrue(
    "Redis is back",
    10_000,
    async () => (await stack.api(kept, 0).post({ prompt: "hello" })).status === 202,
  );
  expect(await statuses(stack, revoked.apiKey)).toEqual([401, 401]);
  await restart();
  expect(await statuses(stack, revoked.apiKey)).toEqual([401, 401]);
  expect(await statuses(stack, inactive.apiKey)).toEqual([401, 401]);
  await proxy.stop();
});
