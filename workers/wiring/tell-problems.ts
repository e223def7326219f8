import type { RoleContext } from "../../adapters/process/run-role.ts";
import { missingKeys } from "../../core/config/missing-keys.ts";
import { ConfigError } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import { keysWithoutEffect } from "../../core/config/without-effect.ts";
import type { Log } from "../../runtime/log.ts";

/**
 * Logs what the operator should mend but a worker can do without, now and after each reload.
 *
 * @throws {ConfigError} when no model can be called, because all lack their key
 */
export function tellProblems(
  config: RoleContext["config"],
  env: RoleContext["env"],
  log: Log,
): void {
  const { models } = config.current();
  const missing = missingKeys(models, env);
  if (missing.length === Object.keys(models).length) throw new ConfigError(missing);
  const tell = (settings: Config): void => {
    for (const problem of missingKeys(settings.models, env)) {
      log.error({ problem }, "a model is not called until this worker is started with its key");
    }
    for (const key of keysWithoutEffect(settings)) {
      log.warn({ key }, "a key of the configuration is set and has no effect");
    }
  };
  tell(config.current());
  config.onReload(tell);
}
