import { canonicalJson } from "../../core/canonical-json.ts";
import type { GenerateBody } from "../../core/request/generate-body.ts";
import type { Idempotency } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";

/**
 * An idempotency key with the body it came with. Both are kept as keyed hashes only: a plain hash of a
 * prompt could be guessed at. The key is the user's own: others may use the same.
 */
export function idempotencyOf(
  key: string,
  userId: string,
  body: GenerateBody,
  hashKey: GatewayPorts["hashKey"],
): Idempotency {
  return {
    keyHash: hashKey(`idempotency-key\n${userId}\n${key}`),
    fingerprint: hashKey(`body\n${canonicalJson(body)}`),
  };
}
