import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

import { parseEncryptionKeys } from "../crypto/envelope.ts";
import type { IncomingMessage, OutgoingMessage } from "./messages.ts";

/** Why a message is not believed. `unsigned` also is what a release from before wrote. */
export type Refusal = "unsigned" | "forged";

/** What is wrong with such a message, for people. */
export const REFUSALS = {
  unsigned:
    "nobody has signed it: it is of a release from before (amqp.accept_unsigned) or of a stranger",
  forged: "its signature is not of its content, or of a key that is not configured",
} as const satisfies Record<Refusal, string>;

export interface Signatures {
  /** The message with its signature, in place of one that it may have. */
  sign: (message: OutgoingMessage) => OutgoingMessage;
  /** undefined: one of us wrote the message, or it may be unsigned. */
  refusalOf: (message: IncomingMessage) => Refusal | undefined;
}

/** The header with `KEY:MAC`. */
const HEADER = "mac";
const KEY_BYTES = 32;
/** Half of the hash, as RFC 2104 allows: nobody can try 2^128 of them at a broker. */
const MAC_BYTES = 16;
/** Keeps these keys apart from those that the same secrets are used as. */
const PURPOSE = "tollgate message signature 1";

/**
 * Signs messages with a key derived from the first encryption key, and believes those signed by any. Whoever
 * can write into RabbitMQ has none of them. A signature is over the type, the id, the body and our own
 * headers; not over the queue, nor what the broker changes (headers that begin with `x-`). So a message can
 * be lost, repeated and moved to another queue, but none can be made or changed.
 *
 * Every version must keep to this, as to `encodeUnchanged`: it judges before it looks at the version.
 *
 * @throws {Error} when a key is not usable; the message names its id only
 */
export function createSignatures(
  encryptionKeys: string,
  acceptsUnsigned: () => boolean,
): Signatures {
  const byId = new Map(
    [...parseEncryptionKeys(encryptionKeys)].map(([id, key]) => [id, derive(key)]),
  );
  const [first] = byId;
  if (first === undefined) throw new Error("no encryption key is configured");
  const [signingId, signingKey] = first;

  return {
    sign: (message) => {
      const mac = macOf(signingKey, message).toString("base64url");
      return { ...message, headers: { ...message.headers, [HEADER]: `${signingId}:${mac}` } };
    },
    refusalOf: (message) => {
      const signature = message.headers[HEADER];
      if (signature === undefined) return acceptsUnsigned() ? undefined : "unsigned";
      const [id = "", text = ""] = typeof signature === "string" ? signature.split(":") : [];
      const key = byId.get(id);
      const given = Buffer.from(text, "base64url");
      if (key === undefined || given.byteLength !== MAC_BYTES) return "forged";
      return timingSafeEqual(given, macOf(key, message)) ? undefined : "forged";
    },
  };
}

function derive(key: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, "", PURPOSE, KEY_BYTES));
}

function macOf(key: Uint8Array, message: IncomingMessage): Buffer {
  const { type, messageId, headers, body } = message;
  const names = Object.keys(headers).filter((name) => name !== HEADER && !name.startsWith("x-"));
  // Brokers may give them in another order.
  const own = names.sort().map((name) => [name, asDelivered(headers[name])]);
  // As JSON says where it ends, no part of it can be taken for one of the body.
  return createHmac("sha256", key)
    .update(JSON.stringify([type, messageId, own]))
    .update(body)
    .digest()
    .subarray(0, MAC_BYTES);
}

/** What UTF-8 does to half a surrogate pair on the way. */
function asDelivered(value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed() : value;
}
