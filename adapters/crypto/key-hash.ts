import { createHmac, randomBytes } from "node:crypto";

import { API_KEY_RANDOM_BYTES, formatApiKey } from "../../core/api-key.ts";

const PEPPER_BYTES = 32;

/**
 * Makes the keyed hash (HMAC-SHA-256, 32 bytes) under which API keys, idempotency keys and bodies are stored
 * and looked up. Whoever reads the database could guess prompts from plain hashes; from these they cannot
 * without the pepper. API keys are random, so that slow password hashing would add nothing (OWASP, Password
 * Storage).
 */
export function createKeyHash(pepper: string): (text: string) => Buffer {
  return (text) => createHmac("sha256", pepper).update(text, "utf8").digest();
}

/** A new pepper. Changing it makes every API key unknown. */
export function generatePepper(): string {
  return randomBytes(PEPPER_BYTES).toString("base64url");
}

/** A new API key. It is shown once and stored nowhere. */
export function generateApiKey(): string {
  return formatApiKey(randomBytes(API_KEY_RANDOM_BYTES));
}
