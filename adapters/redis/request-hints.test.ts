import { expect, test } from "bun:test";
import { newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";
import { startedKey } from "./keys.ts";
import { createRequestHints } from "./request-hints.ts";

test("a delay that was noted does not stay for ever", async () => {
  const redis = await connectForTest();
  const request = { userId: newId(), requestId: newId() };

  await createRequestHints(redis).noteDelayed({ ...request, untilMs: Date.now() + 60_000 });

  const key = startedKey(request.userId, request.requestId);
  const ttlMs = await redis.run(({ client }) => client.pttl(key));
  redis.close();
  expect(ttlMs).toBeWithin(24 * 3_600_000, 24 * 3_600_000 + 60_001);
});
