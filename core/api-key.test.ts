import { expect, test } from "bun:test";

import { API_KEY_RANDOM_BYTES, checkApiKey, displayOfApiKey, formatApiKey } from "./api-key.ts";

const KEY = formatApiKey(
  Uint8Array.from({ length: API_KEY_RANDOM_BYTES }, (_, i) => (i * 37) % 256),
);

test("a key has a prefix, 30 random characters and a checksum", () => {
  expect(KEY).toMatch(/^tg_live_[0-9A-Za-z]{36}$/);
  expect(checkApiKey(KEY)).toBe(true);
});

test("the checksum is the CRC-32 that everyone else computes", () => {
  const secret = KEY.slice(8, 38);
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const decoded = Array.from(KEY.slice(38)).reduce(
    (sum, char) => sum * 62 + alphabet.indexOf(char),
    0,
  );

  expect(decoded).toBe(Bun.hash.crc32(secret));
});

test("a key with one wrong character is refused", () => {
  for (let i = 0; i < KEY.length; i++) {
    const wrong = KEY.slice(0, i) + (KEY[i] === "x" ? "y" : "x") + KEY.slice(i + 1);
    expect(checkApiKey(wrong)).toBe(false);
  }
});

test.each([
  "",
  "tg_live_",
  "sk-abc",
  KEY.slice(0, -1),
  `${KEY}a`,
  ` ${KEY}`,
  `${KEY}\n`,
  "tg_live_" + "é".repeat(36),
])("garbage is refused: %j", (text) => {
  expect(checkApiKey(text)).toBe(false);
});

test("other random bytes give another key", () => {
  expect(formatApiKey(new Uint8Array(API_KEY_RANDOM_BYTES).fill(7))).not.toBe(KEY);
});

test("too few random bytes make no key", () => {
  expect(() => formatApiKey(new Uint8Array(10))).toThrow("60 random bytes");
});

test("what is shown of a key is far too little to use it", () => {
  expect(displayOfApiKey(KEY)).toEqual({ prefix: KEY.slice(0, 12), last4: KEY.slice(-4) });
});
