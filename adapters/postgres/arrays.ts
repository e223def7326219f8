/**
 * Array literals of PostgreSQL, for `${literal}::type[]`. One parameter per column keeps the text of a
 * statement constant whatever the size of its batch, so that each connection prepares it once, and a
 * connection that opens need not look up array types.
 */
type Nullable<Value> = readonly (Value | null)[];

const SPECIAL = /["\\]/g;

/** For text of any content. */
export function textArray(values: Nullable<string>): string {
  const quoted = (value: string): string => `"${value.replace(SPECIAL, "\\$&")}"`;
  return `{${values.map((value) => (value === null ? "null" : quoted(value))).join(",")}}`;
}

/** For numbers; the server refuses a value that is not finite. */
export function numberArray(values: Nullable<number>): string {
  return `{${values.map((value) => (value === null ? "null" : String(value))).join(",")}}`;
}

/** For `bytea[]` of a few bytes each, in hexadecimal. */
export function bytesArray(values: Nullable<Uint8Array>): string {
  return `{${values.map((value) => (value === null ? "null" : `\\\\x${hex(value)}`)).join(",")}}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/**
 * A column of contents as one `bytea` and where each value lies in it, for
 * `substring(bytes from first for length)`.
 */
export interface PackedBytes {
  bytes: Buffer;
  /** `integer[]`, from 1; null for null. */
  firsts: string;
  /** `integer[]`, bytes. */
  lengths: string;
}

/**
 * For contents of any size: PostgreSQL reads an array literal character by character, which took it 23 µs per
 * KB of a row, and one value in a piece, 6 µs (docs/performance.md).
 */
export function packBytes(values: Nullable<Uint8Array>): PackedBytes {
  let first = 1;
  const firsts = values.map((value) => {
    const at = first;
    first += value?.byteLength ?? 0;
    return value === null ? null : at;
  });
  return {
    bytes: Buffer.concat(values.filter((value) => value !== null)),
    firsts: numberArray(firsts),
    lengths: numberArray(values.map((value) => value?.byteLength ?? null)),
  };
}
