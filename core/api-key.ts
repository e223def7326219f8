/**
 * An API key is `tg_live_`, 30 random base62 characters (178 bits) and their CRC-32 as 6 base62 characters: a
 * mistyped or cut key is refused without asking anyone, and secret scanners find leaked ones by the prefix.
 */
const PREFIX = "tg_live_";
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_CHARS = 30;
const CHECKSUM_CHARS = 6;
const SHAPE = new RegExp(`^${PREFIX}[0-9A-Za-z]{${SECRET_CHARS + CHECKSUM_CHARS}}$`);

/**
 * How many random bytes `formatApiKey` needs. Sixteen bits a character make all 62 equally likely to 0.1 %.
 */
export const API_KEY_RANDOM_BYTES = 2 * SECRET_CHARS;

/**
 * Makes a key of `API_KEY_RANDOM_BYTES` random bytes from a cryptographic source.
 *
 * @throws {RangeError} for any other number of bytes
 */
export function formatApiKey(randomBytes: Uint8Array): string {
  if (randomBytes.length !== API_KEY_RANDOM_BYTES)
    throw new RangeError(`an API key takes ${API_KEY_RANDOM_BYTES} random bytes`);
  let secret = "";
  for (let i = 0; i < API_KEY_RANDOM_BYTES; i += 2) {
    const number = ((randomBytes[i] ?? 0) << 8) | (randomBytes[i + 1] ?? 0);
    secret += ALPHABET.charAt(number % ALPHABET.length);
  }
  return `${PREFIX}${secret}${checksumOf(secret)}`;
}

/**
 * Whether a text has the form and the checksum of an API key. It may still be unknown, revoked or expired.
 */
export function checkApiKey(text: string): boolean {
  if (!SHAPE.test(text)) return false;
  const secret = text.slice(PREFIX.length, -CHECKSUM_CHARS);
  return text.endsWith(checksumOf(secret));
}

/** The parts of a key that may be shown: a person recognises the key in a list by them. */
export function displayOfApiKey(key: string): { prefix: string; last4: string } {
  return { prefix: key.slice(0, PREFIX.length + 4), last4: key.slice(-4) };
}

/** CRC-32 (ISO 3309, as in gzip) of the secret, base62, most significant character first. */
function checksumOf(secret: string): string {
  let crc = 0xffff_ffff;
  for (let i = 0; i < secret.length; i++) {
    crc ^= secret.charCodeAt(i);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  let rest = ~crc >>> 0;
  let digits = "";
  for (let i = 0; i < CHECKSUM_CHARS; i++) {
    digits = ALPHABET.charAt(rest % ALPHABET.length) + digits;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return digits;
}
