import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { generateEncryptionKey } from "../crypto/envelope.ts";
import { generatePepper } from "../crypto/key-hash.ts";
import { CommandFailure } from "../terminal/failure.ts";
import type { StatePaths } from "./paths.ts";

export const SECRET_VARIABLES = {
  encryptionKeys: "TOLLGATE_SECRETS__ENCRYPTION_KEYS",
  keyPepper: "TOLLGATE_SECRETS__KEY_PEPPER",
} as const;
export type SecretName = keyof typeof SECRET_VARIABLES;

type Environment = Record<string, string | undefined>;

function generateSecrets(): Record<string, string> {
  return {
    [SECRET_VARIABLES.encryptionKeys]: generateEncryptionKey("k1"),
    [SECRET_VARIABLES.keyPepper]: generatePepper(),
  };
}

/** `NAME=value` lines; what stands behind the first `=` is the value as it is. */
export function parseEnvFile(text: string): Record<string, string> {
  const entries: [string, string][] = [];
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0 && !line.startsWith("#"))
      entries.push([line.slice(0, at).trim(), line.slice(at + 1)]);
  }
  return Object.fromEntries(entries);
}

/** undefined: there is no such file. */
export function readEnvFile(path: string): Record<string, string> | undefined {
  try {
    return parseEnvFile(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * The keys that prompts, results and API keys are protected with: those of the environment, else those of
 * `.tollgate/secrets.env`, which is made at the first call. Without the same keys the stored data cannot be
 * read again.
 *
 * @throws {CommandFailure} when the file is there but incomplete
 */
export function readOrMakeSecrets(
  paths: StatePaths,
  env: Environment,
): { secrets: Record<string, string>; isNew: boolean } {
  const names = Object.values(SECRET_VARIABLES);
  const given = Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  if (Object.keys(given).length === names.length) return { secrets: given, isNew: false };

  const stored = readEnvFile(paths.secretsEnv);
  if (stored === undefined) {
    const made = generateSecrets();
    const text = Object.entries(made).map(([name, value]) => `${name}=${value}\n`);
    mkdirSync(dirname(paths.secretsEnv), { recursive: true });
    writeFileSync(paths.secretsEnv, text.join(""), { mode: 0o600, flag: "wx" });
    return { secrets: { ...made, ...given }, isNew: true };
  }
  const secrets = { ...stored, ...given };
  const missing = names.filter((name) => !secrets[name]);
  if (missing.length > 0) {
    throw new CommandFailure(
      `${paths.secretsEnv} lacks ${missing.join(" and ")}: ` +
        "restore the file, or start over without the data: ./tollgate down --purge",
    );
  }
  return { secrets, isNew: false };
}
