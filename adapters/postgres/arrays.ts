/**
 * Array literals of PostgreSQL, for `${literal}::type[]`. One parameter per column keeps the text of a statement constant whatever the
 * size of its batch, so that each connection prepares it once, and no look-up of array types is needed when a connection opens.
 */
type Nullable<Value> = readonly (Value | null)[];

const SPECIAL = /["\\]/g;

/** For text of any content. */
export function textArray(values: Nullable<string>): string {
  return `{${values.map((value) => (value === null ? "null" : `"${value.replace(SPECIAL, "\\$&")}"`)).join(",")}}`;
}

/** For numbers; a value that is not finite is refused by the server. */
export function numberArray(values: Nullable<number>): string {
  return `{${values.map((value) => (value === null ? "null" : String(value))).join(",")}}`;
}

/** For `bytea[]`, in hexadecimal. */
export function bytesArray(values: Nullable<Uint8Array>): string {
  return `{${values.map((value) => (value === null ? "null" : `\\\\x${hex(value)}`)).join(",")}}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
