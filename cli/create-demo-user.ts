import { randomUUIDv7 } from "bun";

import { createKeyHash, generateApiKey } from "../adapters/crypto/key-hash.ts";
import { addKey } from "../adapters/postgres/api-keys.ts";
import { connectPostgres, type Database } from "../adapters/postgres/connect.ts";
import { setQuota } from "../adapters/postgres/quotas.ts";
import { addUser, findUserByEmail } from "../adapters/postgres/users.ts";
import { displayOfApiKey } from "../core/api-key.ts";
import type { Config } from "../core/config/schema.ts";

const DEMO_NAME = "Demo";
const DEMO_EMAIL = "demo@example.org";

/** Gives the demo user, made if need be with the quotas of the default tier, a new key. */
export async function createDemoUser(config: Config): Promise<{ userId: string; apiKey: string }> {
  const database = connectPostgres({
    url: config.postgres.url,
    poolMax: 1,
    statementTimeoutMs: config.postgres.statement_timeout_ms,
    deadlineMs: config.postgres.deadline_ms,
    name: "tollgate-cli",
  });
  try {
    const userId =
      (await findUserByEmail(database, DEMO_EMAIL))?.userId ??
      (await addDemoUser(database, config));
    const apiKey = generateApiKey();
    await addKey(database, {
      keyId: randomUUIDv7(),
      userId,
      keyHash: createKeyHash(config.secrets.key_pepper)(apiKey),
      ...displayOfApiKey(apiKey),
      name: "made by ./tollgate up",
      expiresAtMs: null,
    });
    return { userId, apiKey };
  } finally {
    await database.close();
  }
}

async function addDemoUser(database: Database, config: Config): Promise<string> {
  const userId = randomUUIDv7();
  await addUser(database, { userId, name: DEMO_NAME, email: DEMO_EMAIL });
  for (const window of ["daily", "monthly"] as const)
    await setQuota(database, {
      userId,
      window,
      tier: config.default_tier,
      requests: null,
      tokens: null,
    });
  return userId;
}
