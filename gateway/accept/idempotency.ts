import { randomUUID } from "node:crypto";

import { canonicalText } from "../../core/json/canonical-text.ts";
import type { Ask } from "../../core/request/ask.ts";
import type { Idempotency } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";
import type { AcceptCall } from "./accept.ts";

/**
 * What a request is recognised by when its call is repeated; null: by nothing. An idempotency key with the
 * body it came with; else, of a call that is held open, the body, under a key of ours that nobody knows. All
 * are kept as keyed hashes only: a plain hash of a prompt could be guessed at. The key is the user's own:
 * others may use the same.
 */
export function idempotencyOf(
  { key, held }: { key: string | null; held: AcceptCall["held"] },
  userId: string,
  { body, door }: Pick<Ask, "body" | "door">,
  hashKey: GatewayPorts["hashKey"],
): Idempotency | null {
  if (key === null && held === undefined) return null;
  const fingerprint = fingerprintOf({ body, door }, hashKey);
  if (key !== null) return { keyHash: hashKey(`idempotency-key\n${userId}\n${key}`), fingerprint };
  return { keyHash: hashKey(`call\n${randomUUID()}`), fingerprint, tries: held?.tries ?? 0 };
}

/** A keyed hash of a body and its door; the order of members and the space between them do not count. */
export function fingerprintOf(
  { body, door }: Pick<Ask, "body" | "door">,
  hashKey: GatewayPorts["hashKey"],
): Uint8Array {
  const kind = door === "native" ? "body" : `body ${door}`;
  return hashKey(`${kind}\n${canonicalText(body)}`);
}
