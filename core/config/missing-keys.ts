import type { ModelConfig } from "./schema.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type KeyOf = Pick<ModelConfig, "api_key_env">;

/** Whether the secret that the model's ML service wants is set here, or it wants none. */
export function hasKey({ api_key_env: name }: KeyOf, env: Environment): boolean {
  return name === undefined || Boolean(env[name]);
}

/**
 * The models whose `api_key_env` names a variable that is not set here, each as `path: what is wrong`. For
 * the processes that call ML services; the others need no such secret.
 */
export function missingKeys(models: Readonly<Record<string, KeyOf>>, env: Environment): string[] {
  return Object.entries(models).flatMap(([model, config]) =>
    hasKey(config, env)
      ? []
      : [`models.${model}.api_key_env: the environment variable ${config.api_key_env} is not set`],
  );
}
