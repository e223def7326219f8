import { expect, test } from "bun:test";

import { createAppliedTiers } from "./applied-tiers.ts";
import { newId } from "../../test/support/quota-samples.ts";
import { connectForTest, ownDatabaseUrl } from "../../test/support/redis.ts";

test("what was noted is read back", async () => {
  const redis = await connectForTest(ownDatabaseUrl());
  const applied = createAppliedTiers(redis);
  const tiers = newId();

  await applied.note(tiers);
  const read = await applied.read();
  redis.close();

  expect(read).toBe(tiers);
});
