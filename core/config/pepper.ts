import { ConfigError } from "./parse.ts";
import type { Config } from "./schema.ts";

/** The pepper, for who hashes keys. @throws {ConfigError} where there is none */
export function requirePepper({ secrets }: Pick<Config, "secrets">): string {
  if (secrets.key_pepper !== undefined) return secrets.key_pepper;
  throw new ConfigError(["secrets.key_pepper: gateways, and commands about keys, need it"]);
}
