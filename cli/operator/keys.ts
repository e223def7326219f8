import { randomUUIDv7 } from "bun";

import { createKeyHash, generateApiKey } from "../../adapters/crypto/key-hash.ts";
import {
  addKey,
  type ApiKey,
  findKey,
  findKeys,
  type NewApiKey,
} from "../../adapters/postgres/api-keys.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import { deleteCachedKey } from "../../adapters/redis/key-cache.ts";
import { checkApiKey, displayOfApiKey } from "../../core/api-key.ts";
import { requirePepper } from "../../core/config/pepper.ts";
import type { Config } from "../../core/config/schema.ts";
import { CommandFailure, describeError, EXIT } from "../../adapters/terminal/failure.ts";
import type { Operation } from "./operate.ts";
import { isUuid } from "./users.ts";

/** A key that nobody has yet; `apiKey` is shown once and stored nowhere. */
export interface MintedKey {
  apiKey: string;
  record: Omit<NewApiKey, "userId">;
}

export function mintKey(
  config: Pick<Config, "secrets">,
  { name, expiresAtMs }: { name: string; expiresAtMs: number | null },
): MintedKey {
  if (name.length > 200)
    throw new CommandFailure("the name of a key may have 200 characters", { exitCode: EXIT.usage });
  const apiKey = generateApiKey();
  const keyHash = createKeyHash(requirePepper(config))(apiKey);
  const record = { keyId: randomUUIDv7(), keyHash, ...displayOfApiKey(apiKey), name, expiresAtMs };
  return { apiKey, record };
}

export async function giveKey(
  database: Database,
  config: Pick<Config, "secrets">,
  userId: string,
  about: { name: string; expiresAtMs: number | null },
): Promise<MintedKey> {
  const minted = mintKey(config, about);
  await addKey(database, { ...minted.record, userId });
  return minted;
}

/**
 * The key that a person means: by its id, or by the key itself, as somebody has it who found it leaked.
 *
 * @throws {CommandFailure} when there is none
 */
export async function requireKey(
  database: Database,
  config: Pick<Config, "secrets">,
  text: string,
): Promise<ApiKey> {
  const key = await findKeyByText(database, config, text);
  if (key !== undefined) return key;
  throw new CommandFailure(
    "there is no such key: give a key id of ./tollgate key list USER, or the whole key",
  );
}

async function findKeyByText(
  database: Database,
  config: Pick<Config, "secrets">,
  text: string,
): Promise<ApiKey | undefined> {
  if (isUuid(text)) return findKey(database, text);
  if (!checkApiKey(text)) return undefined;
  const [owner] = await findKeys(database, [createKeyHash(requirePepper(config))(text)]);
  return owner && findKey(database, owner.keyId);
}

/**
 * Makes every gateway read these keys from PostgreSQL again. Call it after the change was committed.
 *
 * @throws {CommandFailure} when Redis does not answer: gateways may go on with what they have cached
 */
export async function forgetKeys(
  { redis, signals }: Pick<Operation, "redis" | "signals">,
  keyHashes: readonly Uint8Array[],
): Promise<void> {
  try {
    const connection = await redis();
    const { announceKeyChange } = await signals();
    for (const hash of keyHashes) {
      // As gateway/accept/authenticate.ts writes it.
      const text = Buffer.from(hash).toString("base64url");
      await deleteCachedKey(connection, text);
      await announceKeyChange(text);
    }
  } catch (error) {
    throw new CommandFailure(
      "the change is stored, but gateways may use what they have cached for minutes, because Redis does " +
        `not answer (${describeError(error)}): repeat the command when it does`,
      { cause: error },
    );
  }
}
