import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { statePaths } from "./paths.ts";
import { readOrMakeSecrets } from "./secrets.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-secrets-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the secrets", () => {
  test("are made once, for the owner's eyes only, and are the same ever after", () => {
    const paths = statePaths(join(folder, "once"));

    const made = readOrMakeSecrets(paths, {});
    const again = readOrMakeSecrets(paths, {});

    expect(made.isNew).toBe(true);
    expect(again).toEqual({ secrets: made.secrets, isNew: false });
    expect(made.secrets["TOLLGATE_SECRETS__ENCRYPTION_KEYS"]).toMatch(/^k1:[A-Za-z0-9+/]{43}=$/);
    expect(made.secrets["TOLLGATE_SECRETS__KEY_PEPPER"]?.length).toBeGreaterThanOrEqual(32);
    expect(statSync(paths.secretsEnv).mode & 0o777).toBe(0o600);
  });

  test("of the environment win, and nothing is written", () => {
    const paths = statePaths(join(folder, "given"));
    const env = { TOLLGATE_SECRETS__ENCRYPTION_KEYS: "k9:x", TOLLGATE_SECRETS__KEY_PEPPER: "p" };

    expect(readOrMakeSecrets(paths, env)).toEqual({ secrets: env, isNew: false });
    expect(() => statSync(paths.secretsEnv)).toThrow();
  });

  test("that are incomplete are never made up for, since stored data would be lost", () => {
    const paths = statePaths(folder);
    writeFileSync(paths.secretsEnv, "TOLLGATE_SECRETS__KEY_PEPPER=abc=\n");

    expect(() => readOrMakeSecrets(paths, {})).toThrow("lacks TOLLGATE_SECRETS__ENCRYPTION_KEYS");
  });
});
