import { randomUUIDv7 } from "bun";

import { createKeyHash, generateApiKey } from "../../../adapters/crypto/key-hash.ts";
import { addKey } from "../../../adapters/postgres/api-keys.ts";
import type { Database } from "../../../adapters/postgres/connect.ts";
import { setQuota } from "../../../adapters/postgres/quotas.ts";
import { addUser, setUserActive } from "../../../adapters/postgres/users.ts";
import { displayOfApiKey } from "../../../core/api-key.ts";
import type { WindowLimit } from "../../../core/quota/quota.ts";

export interface TestUser {
  userId: string;
  apiKey: string;
}

export interface UserLimitsWish {
  /** null or absent: no limit. */
  daily?: Partial<WindowLimit>;
  monthly?: Partial<WindowLimit>;
  concurrentRequests?: number;
  /** Default: `unlimited`. */
  tier?: string;
  active?: boolean;
}

const NO_LIMIT = -1;

/** A user with a key, made as the commands make them. Without a wish nothing is limited. */
export async function makeUser(
  database: Database,
  pepper: string,
  wish: UserLimitsWish = {},
): Promise<TestUser> {
  const userId = crypto.randomUUID();
  await addUser(database, {
    userId,
    name: "Ada",
    email: `${userId}@example.org`,
    concurrentRequests: wish.concurrentRequests ?? NO_LIMIT,
  });
  for (const window of ["daily", "monthly"] as const) {
    const { requests, tokens } = wish[window] ?? {};
    await setQuota(database, {
      userId,
      window,
      tier: wish.tier ?? "unlimited",
      requests: requests ?? NO_LIMIT,
      tokens: tokens ?? NO_LIMIT,
    });
  }
  const apiKey = generateApiKey();
  await addKey(database, {
    keyId: randomUUIDv7(),
    userId,
    keyHash: createKeyHash(pepper)(apiKey),
    ...displayOfApiKey(apiKey),
    name: "test",
    expiresAtMs: null,
  });
  if (wish.active === false) await setUserActive(database, userId, false);
  return { userId, apiKey };
}
