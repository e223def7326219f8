import { expect, test } from "bun:test";

import { missingKeys } from "./missing-keys.ts";

const models = {
  open: {},
  small: { api_key_env: "SMALL_KEY" },
  large: { api_key_env: "LARGE_KEY" },
};

test("a model whose key is not set in the environment, or empty, is named with its variable", () => {
  const problems = missingKeys(models, { SMALL_KEY: "" });

  expect(problems).toEqual([
    "models.small.api_key_env: the environment variable SMALL_KEY is not set",
    "models.large.api_key_env: the environment variable LARGE_KEY is not set",
  ]);
});

test("nothing is missing when the keys are there, and of a model that needs none", () => {
  expect(missingKeys(models, { SMALL_KEY: "a", LARGE_KEY: "b" })).toEqual([]);
});
