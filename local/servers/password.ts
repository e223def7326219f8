const BYTES = 24;

/**
 * A password for a server that nobody else may use: 192 random bits as hexadecimal digits, which need no
 * escaping in a URL.
 */
export const newPassword = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(BYTES))).toString("hex");
