import { expect, test } from "bun:test";

import { wronglySpoken } from "./mutual-tls.ts";

test("only a server that speaks to a certificate alone is as it should be", () => {
  const right = { name: "a", withoutTls: false, withoutCertificate: false, withCertificate: true };

  expect(wronglySpoken([right])).toEqual([]);
  expect(wronglySpoken([{ ...right, withoutTls: true, withoutCertificate: true }])).toHaveLength(2);
  expect(wronglySpoken([{ ...right, withCertificate: false }])).toEqual([
    "a does not speak to a certificate of the authority",
  ]);
});
