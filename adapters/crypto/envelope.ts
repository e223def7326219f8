import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { RequestRef, SealedField } from "../../core/request/stored-request.ts";

export interface Sealer {
  /** Encrypts with the first key. The record is longer than the content by 30 bytes and the key's id. */
  seal: (content: Uint8Array, owner: RequestRef, field: SealedField) => Buffer;
  /** Decrypts with the key that the record names. @throws {UnreadableRecord} */
  open: (record: Uint8Array, owner: RequestRef, field: SealedField) => Buffer;
}

/**
 * The record was not sealed by us, was changed, belongs to something else, or its key is not configured any
 * more. Trying again does not help; the message says which of these it is, without content.
 */
export class UnreadableRecord extends Error {
  override readonly name = "UnreadableRecord";
}

const VERSION = 1;
const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
/**
 * 96 bits, random: NIST SP 800-38D allows 2^32 records per key; rotate before (at 1,000 records a second,
 * within 49 days).
 */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
/** One call to the system's generator serves many records. */
const IV_POOL_RECORDS = 512;

/**
 * Seals content with AES-256-GCM. `keys` is `id:base64,id:base64,…`, each 32 bytes: the first seals, all
 * open, so that a key is rotated by putting a new one in front.
 *
 * A record is: version, length of the key's id, the id, IV, ciphertext, tag. Version and key id are
 * authenticated along with the owner.
 *
 * @throws {Error} when a key is not usable; the message names its id only
 */
export function createSealer(keys: string): Sealer {
  const byId = parseEncryptionKeys(keys);
  const [first] = byId;
  if (first === undefined) throw new Error("no encryption key is configured");
  const [sealingId, sealingKey] = first;
  const id = Buffer.from(sealingId, "latin1");
  const header = Buffer.concat([Buffer.from([VERSION, id.length]), id]);
  const nextIv = createIvPool();

  return {
    seal: (content, owner, field) => {
      const iv = nextIv();
      const cipher = createCipheriv(CIPHER, sealingKey, iv);
      cipher.setAAD(boundTo(owner, field, header));
      return Buffer.concat([
        header,
        iv,
        cipher.update(content),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
    },
    open: (record, owner, field) => {
      const { keyId, headerEnd } = readHeader(record);
      const key = byId.get(keyId);
      if (key === undefined) throw new UnreadableRecord("sealed with a key that is not configured");
      const ivEnd = headerEnd + IV_BYTES;
      const textEnd = record.length - TAG_BYTES;
      if (textEnd < ivEnd) throw new UnreadableRecord("too short");
      const decipher = createDecipheriv(CIPHER, key, record.subarray(headerEnd, ivEnd), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(boundTo(owner, field, record.subarray(0, headerEnd)));
      decipher.setAuthTag(record.subarray(textEnd));
      try {
        return Buffer.concat([decipher.update(record.subarray(ivEnd, textEnd)), decipher.final()]);
      } catch (error) {
        throw new UnreadableRecord("changed, or sealed for something else", { cause: error });
      }
    },
  };
}

/**
 * Makes a new encryption key as the configuration takes it.
 *
 * @throws {Error} when the id has other characters
 */
export function generateEncryptionKey(id: string): string {
  if (!KEY_ID.test(id)) throw new Error(`an encryption key's id must match ${KEY_ID.source}`);
  return `${id}:${randomBytes(KEY_BYTES).toString("base64")}`;
}

export function parseEncryptionKeys(keys: string): Map<string, Buffer> {
  const byId = new Map<string, Buffer>();
  for (const part of keys.split(",")) {
    const colon = part.indexOf(":");
    const id = part.slice(0, Math.max(colon, 0)).trim();
    if (!KEY_ID.test(id))
      throw new Error(
        `an encryption key must be written id:base64, its id matching ${KEY_ID.source}`,
      );
    const key = Buffer.from(part.slice(colon + 1), "base64");
    if (key.length !== KEY_BYTES)
      throw new Error(`the encryption key ${id} must be ${KEY_BYTES} bytes in base64`);
    if (byId.has(id)) throw new Error(`the encryption key ${id} is given twice`);
    byId.set(id, key);
  }
  return byId;
}

function readHeader(record: Uint8Array): { keyId: string; headerEnd: number } {
  const [version, idBytes] = record;
  if (version !== VERSION || idBytes === undefined)
    throw new UnreadableRecord("not a sealed record of this version");
  const headerEnd = 2 + idBytes;
  if (record.length < headerEnd) throw new UnreadableRecord("too short");
  const keyId = Buffer.from(record.buffer, record.byteOffset + 2, idBytes).toString("latin1");
  return { keyId, headerEnd };
}

/** No part can contain the separator: ids are UUIDs, fields are ours. */
function boundTo(owner: RequestRef, field: SealedField, header: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`${owner.userId}|${owner.requestId}|${field}|`, "latin1"),
    header,
  ]);
}

function createIvPool(): () => Uint8Array {
  let pool = Buffer.alloc(0);
  return () => {
    if (pool.length === 0) pool = randomBytes(IV_BYTES * IV_POOL_RECORDS);
    const iv = pool.subarray(0, IV_BYTES);
    pool = pool.subarray(IV_BYTES);
    return iv;
  };
}
