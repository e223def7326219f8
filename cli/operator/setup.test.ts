import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { type StatePaths, statePaths } from "../../adapters/state/paths.ts";
import { type UpJson, writeUpJson } from "../../adapters/state/up-json.ts";
import { type Needs, readSetup } from "./setup.ts";

const UP: UpJson = {
  gateway: "http://127.0.0.1:8080",
  metrics: { gateway: "", worker: "", collector: "" },
  postgres: "postgres://up@127.0.0.1:20001/tollgate",
  redis: "redis://127.0.0.1:20002",
  amqp: "amqp://127.0.0.1:20003",
  ml: "",
  api_key: "",
  user_id: "",
};
const PEPPER = "the pepper of the running up, 32 characters";
const SECRETS = `TOLLGATE_SECRETS__ENCRYPTION_KEYS=k1:abc\nTOLLGATE_SECRETS__KEY_PEPPER=${PEPPER}\n`;
const ALL: Needs = { servers: ["postgres", "redis", "amqp"], secrets: true };

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function makeState({ isUp }: { isUp: boolean }): StatePaths {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-setup-"));
  folders.push(folder);
  const paths = statePaths(folder);
  if (isUp) {
    writeUpJson(paths, UP);
    writeFileSync(paths.secretsEnv, SECRETS);
  }
  return paths;
}

test("without servers in the environment a command works on the running up, with its secrets", async () => {
  const { config } = await readSetup({}, makeState({ isUp: true }), ALL);

  expect(config.postgres.url).toBe(UP.postgres);
  expect(config.redis.url).toBe(UP.redis);
  expect(config.secrets.key_pepper).toBe(PEPPER);
});

test("without either a command says what to start or set", async () => {
  const setup = readSetup({}, makeState({ isUp: false }), ALL);

  expect(await setup.catch((error: unknown) => error)).toMatchObject({
    exitCode: EXIT.notRunning,
    message: expect.stringContaining("./tollgate up, or set DATABASE_URL, REDIS_URL, AMQP_URL"),
  });
});

test("servers of the environment are never mixed with those of up", async () => {
  const env = { DATABASE_URL: "postgres://prod@db.example.org/tollgate" };
  const paths = makeState({ isUp: true });

  const both = await readSetup(env, paths, {
    servers: ["postgres", "redis"],
    secrets: false,
  }).catch((error: unknown) => error);
  const one = await readSetup(env, paths, { servers: ["postgres"], secrets: false });

  expect(both).toMatchObject({
    exitCode: EXIT.usage,
    message: expect.stringContaining("not REDIS_URL"),
  });
  expect(one.config.postgres.url).toBe(env.DATABASE_URL);
});

test("secrets of up are not used on another database", async () => {
  const env = { DATABASE_URL: "postgres://prod@db.example.org/tollgate" };
  const paths = makeState({ isUp: true });

  const setup = readSetup(env, paths, { servers: ["postgres"], secrets: true });

  expect(await setup.catch((error: unknown) => error)).toMatchObject({
    exitCode: EXIT.usage,
    message: expect.stringContaining("TOLLGATE_SECRETS__KEY_PEPPER"),
  });
});
