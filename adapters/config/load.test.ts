import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Log } from "../../runtime/log.ts";
import { loadConfig, watchConfig } from "./load.ts";

const ENV = {
  TOLLGATE_SECRETS__ENCRYPTION_KEYS: "k1:x",
  TOLLGATE_SECRETS__KEY_PEPPER: "p".repeat(32),
};
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function fileWith(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tollgate-config-"));
  folders.push(folder);
  const path = join(folder, "tollgate.yaml");
  await Bun.write(path, text);
  return path;
}

const withText = (expression: string): string => `
postgres: { url: "postgres://localhost/x" }
redis: { url: "redis://localhost" }
amqp: { url: "amqp://localhost" }
default_tier: standard
tiers: { standard: {} }
default_model: custom
models:
  custom:
    protocol: json
    url: http://localhost
    mapping: { request: '{"input": prompt}', text: ${JSON.stringify(expression)} }
`;

test("an expression that does not compile is named, with its model", async () => {
  const path = await fileWith(withText("output.(text"));

  expect(loadConfig(path, ENV)).rejects.toThrow(/models\.custom\.mapping\.text: /);
});

test("a changed file whose expression does not compile is refused, and the old one stays", async () => {
  const path = await fileWith(withText("output.text"));
  const config = await watchConfig(path, ENV, silent);

  await Bun.write(path, withText("output.(text"));
  await config.reload();
  const kept = config.current().models["custom"]?.mapping?.text;
  await Bun.write(path, withText("output.other"));
  await config.reload();
  const changed = config.current().models["custom"]?.mapping?.text;
  config.stop();

  expect([kept, changed]).toEqual(["output.text", "output.other"]);
});

test("who listens hears of each configuration that comes into force", async () => {
  const path = await fileWith(withText("text"));
  const live = await watchConfig(path, ENV, silent);
  const heard: (string | undefined)[] = [];
  live.onReload(({ models }) => heard.push(models["custom"]?.mapping?.text));

  await Bun.write(path, withText("((("));
  await live.reload();
  await Bun.write(path, withText("other"));
  await live.reload();
  live.stop();

  expect(heard).toEqual(["other"]);
});

test("a file that is no YAML is refused without quoting it", async () => {
  const path = await fileWith("postgres:\n  url: 'postgres://u:s3cret@x\n");

  const problem = await loadConfig(path, ENV).catch((error: unknown) => String(error));

  expect(problem).toContain("is not YAML");
  expect(problem).not.toContain("s3cret");
});
