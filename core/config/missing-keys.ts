import type { ModelConfig } from "./schema.ts";

/**
 * The models whose `api_key_env` names a variable that is not set here, each as `path: what is wrong`. For
 * the processes that call ML services; the others need no such secret.
 */
export function missingKeys(
  models: Readonly<Record<string, Pick<ModelConfig, "api_key_env">>>,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  return Object.entries(models).flatMap(([model, { api_key_env: name }]) =>
    name === undefined || env[name]
      ? []
      : [`models.${model}.api_key_env: the environment variable ${name} is not set`],
  );
}
