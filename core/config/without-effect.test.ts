import { expect, test } from "bun:test";

import { parseConfig } from "./parse.ts";
import { keysWithoutEffect } from "./without-effect.ts";

const shipped = async (): Promise<unknown> =>
  Bun.YAML.parse(await Bun.file(`${import.meta.dir}/../../tollgate.yaml`).text());

const SECRETS = {
  DATABASE_URL: "postgres://localhost/x",
  REDIS_URL: "redis://localhost",
  AMQP_URL: "amqp://localhost",
  TOLLGATE_SECRETS__ENCRYPTION_KEYS: "1:AAAA",
  TOLLGATE_SECRETS__KEY_PEPPER: "x".repeat(32),
};

test("the shipped file sets no key that does nothing", async () => {
  expect(keysWithoutEffect(parseConfig(await shipped(), SECRETS))).toEqual([]);
});

test("a file or an environment of an earlier version is read, and what does nothing is named", async () => {
  const env = { ...SECRETS, TOLLGATE_WORKER__PREFETCH: "80", TOLLGATE_WORKER__PARK_MS: "20000" };

  const keys = keysWithoutEffect(parseConfig(await shipped(), env));

  expect(keys).toEqual(["worker.prefetch", "worker.park_ms"]);
});
