import { canonicalText } from "../../core/json/canonical-text.ts";
import type { Ask } from "../../core/request/ask.ts";
import type { Idempotency } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";

/**
 * An idempotency key with the body it came with. Both are kept as keyed hashes only: a plain hash of a
 * prompt could be guessed at. The key is the user's own: others may use the same.
 */
export function idempotencyOf(
  key: string,
  userId: string,
  { body, door }: Pick<Ask, "body" | "door">,
  hashKey: GatewayPorts["hashKey"],
): Idempotency {
  const place = door === "native" ? "body" : `body ${door}`;
  return {
    keyHash: hashKey(`idempotency-key\n${userId}\n${key}`),
    fingerprint: hashKey(`${place}\n${canonicalText(body)}`),
  };
}
