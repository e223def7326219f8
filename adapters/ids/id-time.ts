/** When a UUIDv7 was made, Unix milliseconds (RFC 9562: its first 48 bits). */
export const idTimeMs = (id: string): number =>
  Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
