import { expect, test } from "bun:test";

import { checkApiKey } from "../../core/api-key.ts";
import { createKeyHash, generateApiKey, generatePepper } from "./key-hash.ts";

test("a hash depends on the text and on the pepper, and on nothing else", () => {
  const hash = createKeyHash("p".repeat(32));

  expect(hash("a")).toEqual(hash("a"));
  expect(hash("a").length).toBe(32);
  expect(hash("b")).not.toEqual(hash("a"));
  expect(createKeyHash("q".repeat(32))("a")).not.toEqual(hash("a"));
});

test("generated keys are well-formed and different; a pepper is long enough for the configuration", () => {
  expect(checkApiKey(generateApiKey())).toBe(true);
  expect(generateApiKey()).not.toBe(generateApiKey());
  expect(generatePepper().length).toBeGreaterThanOrEqual(32);
});
