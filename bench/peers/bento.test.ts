import { createCipheriv } from "node:crypto";

import { expect, test } from "bun:test";

import { openRecord } from "./bento.ts";

const key = Buffer.alloc(32, 1);

/** As Bloblang's `encrypt_aes("gcm", …)` behind its nonce. */
function seal(text: string): Buffer {
  const nonce = Buffer.alloc(12, 2);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

test("a record of the peer opens with the key it was given and with no other", () => {
  expect(openRecord(seal("a prompt"), key)).toBe("a prompt");
  expect(() => openRecord(seal("a prompt"), Buffer.alloc(32, 9))).toThrow();
  expect(() => openRecord(Buffer.from("a prompt in clear text, long enough"), key)).toThrow();
});
