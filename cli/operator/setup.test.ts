import { afterAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { PROJECT_ROOT, type StatePaths, statePaths } from "../../adapters/state/paths.ts";
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
const ALL: Needs = {
  servers: ["postgres", "redis", "amqp"],
  secrets: ["encryptionKeys", "keyPepper"],
};

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A running `up` or none; it may have been started with another configuration file than the checkout's. */
function makeState({ isUp, config }: { isUp: boolean; config?: string }): StatePaths {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-setup-"));
  folders.push(folder);
  const paths = statePaths(folder);
  if (isUp) {
    writeUpJson(paths, { ...UP, ...(config === undefined ? {} : { config }) });
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

/** A configuration file of a user: the checkout's, with its servers, and one tier more. */
function makeConfig(postgresUrl?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-config-"));
  folders.push(folder);
  const path = join(folder, "mine.yaml");
  cpSync(join(PROJECT_ROOT, "tollgate.yaml"), path);
  const settings = Bun.YAML.parse(readFileSync(path, "utf8")) as {
    postgres: { url: string };
    tiers: Record<string, unknown>;
  };
  settings.tiers["gold"] = settings.tiers["free"];
  if (postgresUrl !== undefined) settings.postgres.url = postgresUrl;
  writeFileSync(path, JSON.stringify(settings));
  return path;
}

test("the configuration file that up was started with leads to its servers and secrets", async () => {
  const mine = makeConfig();
  const paths = makeState({ isUp: true, config: mine });

  for (const env of [{ TOLLGATE_CONFIG: mine }, { TOLLGATE_CONFIG: relative(".", mine) }, {}]) {
    const { config } = await readSetup(env, paths, ALL);

    expect([config.postgres.url, config.redis.url]).toEqual([UP.postgres, UP.redis]);
    expect(config.secrets.key_pepper).toBe(PEPPER);
    expect(Object.keys(config.tiers)).toContain("gold");
  }
});

test("a configuration file that names the database of up leads to its secrets", async () => {
  const env = { TOLLGATE_CONFIG: makeConfig(UP.postgres) };

  const { config } = await readSetup(env, makeState({ isUp: true }), ALL);

  expect(config.postgres.url).toBe(UP.postgres);
  expect(config.secrets.key_pepper).toBe(PEPPER);
});

test("any other configuration file speaks for its servers, and gets no secrets of up", async () => {
  const env = {
    TOLLGATE_CONFIG: makeConfig("postgres://prod@db.example.org/tollgate?sslmode=verify-full"),
  };
  const paths = makeState({ isUp: true });

  const without = await readSetup(env, paths, { servers: ["postgres"], secrets: [] });
  const needed = readSetup(env, paths, ALL);

  expect(without.config.postgres.url).toBe(
    "postgres://prod@db.example.org/tollgate?sslmode=verify-full",
  );
  expect(without.config.secrets.key_pepper).not.toBe(PEPPER);
  expect(await needed.catch((error: unknown) => error)).toMatchObject({
    exitCode: EXIT.usage,
    message: expect.stringMatching(/TOLLGATE_SECRETS__KEY_PEPPER.*tollgate\.yaml/),
  });
});

test("without either a command says what to start or set", async () => {
  const setup = readSetup({}, makeState({ isUp: false }), ALL);

  expect(await setup.catch((error: unknown) => error)).toMatchObject({
    exitCode: EXIT.notRunning,
    message: expect.stringContaining("./tollgate up, or set DATABASE_URL, REDIS_URL, AMQP_URL"),
  });
});

test("servers of the environment are never mixed with those of up", async () => {
  const env = { DATABASE_URL: "postgres://prod@db.example.org/tollgate?sslmode=verify-full" };
  const paths = makeState({ isUp: true });

  const both = await readSetup(env, paths, {
    servers: ["postgres", "redis"],
    secrets: [],
  }).catch((error: unknown) => error);
  const one = await readSetup(env, paths, { servers: ["postgres"], secrets: [] });

  expect(both).toMatchObject({
    exitCode: EXIT.usage,
    message: expect.stringContaining("not REDIS_URL"),
  });
  expect(one.config.postgres.url).toBe(env.DATABASE_URL);
});

test("secrets of up are not used on another database", async () => {
  const env = { DATABASE_URL: "postgres://prod@db.example.org/tollgate?sslmode=verify-full" };
  const paths = makeState({ isUp: true });

  const setup = readSetup(env, paths, { servers: ["postgres"], secrets: ["keyPepper"] });

  expect(await setup.catch((error: unknown) => error)).toMatchObject({
    exitCode: EXIT.usage,
    message: expect.stringContaining("TOLLGATE_SECRETS__KEY_PEPPER"),
  });
});
