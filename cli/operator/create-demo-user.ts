import { openPostgres } from "../../adapters/process/postgres.ts";
import { findUserByEmail } from "../../adapters/postgres/users.ts";
import type { Config } from "../../core/config/schema.ts";
import { silentLog } from "../../runtime/log.ts";
import { actOf } from "./actor.ts";
import { ALL_SCOPES, giveKey } from "./keys.ts";
import { createUser } from "./users.ts";

const DEMO = { name: "Demo", email: "demo@example.org" };

/** Gives the demo user, made if need be with the quotas of the default tier, a new key. */
export async function createDemoUser(config: Config): Promise<{ userId: string; apiKey: string }> {
  const database = await openPostgres(config, "tollgate-cli", { log: silentLog });
  try {
    const act = actOf({ reason: "./tollgate up" });
    const userId =
      (await findUserByEmail(database, DEMO.email))?.userId ??
      (await createUser(database, { ...DEMO, tier: config.default_tier, key: null }, act));
    const about = { name: "made by ./tollgate up", expiresAtMs: null, ...ALL_SCOPES };
    const { apiKey } = await giveKey({ database, config }, userId, about, act);
    return { userId, apiKey };
  } finally {
    await database.close();
  }
}
