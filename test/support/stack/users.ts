import { randomUUIDv7 } from "bun";

import { createKeyHash, generateApiKey } from "../../../adapters/crypto/key-hash.ts";
import type { Database } from "../../../adapters/postgres/connect.ts";
import { addUsers } from "../../../adapters/postgres/new-users.ts";
import { setLimits } from "../../../adapters/postgres/quotas.ts";
import { setUserActive } from "../../../adapters/postgres/users.ts";
import { displayOfApiKey } from "../../../core/api-key.ts";
import type { WindowLimit } from "../../../core/quota/quota.ts";
import { WINDOW_KINDS } from "../../../core/quota/windows.ts";
import { TEST_ACT } from "../postgres.ts";

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
  const apiKey = generateApiKey();
  const key = {
    keyId: randomUUIDv7(),
    keyHash: createKeyHash(pepper)(apiKey),
    ...displayOfApiKey(apiKey),
    name: "test",
    expiresAtMs: null,
  };
  const tier = wish.tier ?? "unlimited";
  const email = `${userId}@example.org`;
  await addUsers(database, [{ userId, name: "Ada", email, tier, key }], TEST_ACT);
  const quotas = WINDOW_KINDS.map((window) => {
    const { requests, tokens } = wish[window] ?? {};
    return { window, tier, requests: requests ?? NO_LIMIT, tokens: tokens ?? NO_LIMIT };
  });
  const concurrentRequests = wish.concurrentRequests ?? NO_LIMIT;
  await setLimits(database, userId, { quotas, concurrentRequests }, TEST_ACT);
  if (wish.active === false) await setUserActive(database, userId, false, TEST_ACT);
  return { userId, apiKey };
}
