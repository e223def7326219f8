import { canonicalJson } from "../../core/canonical-json.ts";
import { Fault } from "../../core/faults.ts";
import type { Idempotency } from "./accept.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import type { GenerateBody } from "../../core/generate-body.ts";

const KEY_CHARS_MAX = 255;

/** The key of an `Idempotency-Key` header: a structured-field string (`"…"`) or bare. */
function keyOf(header: string): string {
  const bare =
    /^"((?:[^"\\]|\\["\\])*)"$/.exec(header.trim())?.[1]?.replaceAll(/\\(["\\])/g, "$1") ??
    header.trim();
  if (bare.length === 0 || bare.length > KEY_CHARS_MAX) {
    throw new Fault("PARAMETER_INVALID", "the Idempotency-Key is not valid", {
      details: [
        { field: "Idempotency-Key", message: `must have 1 to ${KEY_CHARS_MAX} characters` },
      ],
    });
  }
  return bare;
}

/**
 * The idempotency of a call, null without the header (draft-ietf-httpapi-idempotency-key-header). Key and body are kept as keyed
 * hashes only: a plain hash of a prompt could be guessed at. The key is the user's own: others may use the same.
 */
export function idempotencyOf(
  headers: Headers,
  principal: Principal,
  body: GenerateBody,
  hashKey: GatewayPorts["hashKey"],
): Idempotency | null {
  const header = headers.get("idempotency-key");
  if (header === null) return null;
  return {
    keyHash: hashKey(`idempotency-key\n${principal.userId}\n${keyOf(header)}`),
    fingerprint: hashKey(`body\n${canonicalJson(body)}`),
  };
}
