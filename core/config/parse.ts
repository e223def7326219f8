import { type TSchema, TypeGuard } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { amqpProblems } from "./amqp-schema.ts";
import { modelProblems } from "./model-schema.ts";
import { postgresProblems } from "./postgres-schema.ts";
import { redisProblems } from "./redis-schema.ts";
import { type Config, ConfigSchema } from "./schema.ts";

/**
 * Everything that is wrong with a configuration, at once: `path: what is allowed`. It contains no value, so
 * no secret.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `the configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
    this.problems = problems;
  }
}

const ENV_PREFIX = "TOLLGATE_";
const ENV_SEPARATOR = "__";

/** Well-known names that other tools set as well. */
const ENV_ALIASES: Record<string, readonly string[]> = {
  DATABASE_URL: ["postgres", "url"],
  DATABASE_DIRECT_URL: ["postgres", "direct_url"],
  REDIS_URL: ["redis", "url"],
  AMQP_URL: ["amqp", "url"],
};

type Tree = { [key: string]: unknown };

const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A key of the file as an environment variable spells it: `sim-small` -> `SIM_SMALL`. */
const envSpelling = (key: string): string => key.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");

/** Sets a value of the tree, which `schema` describes as far as it names its keys. */
function setPath(
  tree: Tree,
  path: readonly string[],
  text: string,
  schema: TSchema | undefined = ConfigSchema,
): void {
  const [head = "", ...rest] = path;
  const key =
    Object.keys(tree).find((known) => envSpelling(known) === envSpelling(head)) ??
    head.toLowerCase();
  const below = TypeGuard.IsObject(schema) ? schema.properties[key] : undefined;
  if (rest.length === 0) {
    tree[key] =
      Array.isArray(tree[key]) || TypeGuard.IsArray(below) || text.startsWith("[")
        ? text
            .replace(/^\[|\]$/g, "")
            .split(",")
            .map((part) => part.trim())
        : text;
    return;
  }
  if (!isTree(tree[key])) tree[key] = {};
  setPath(tree[key] as Tree, rest, text, below);
}

function overrides(
  env: Record<string, string | undefined>,
): [path: readonly string[], text: string][] {
  const found: [readonly string[], string][] = [];
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || text === "") continue;
    const alias = ENV_ALIASES[name];
    if (alias !== undefined) found.push([alias, text]);
    else if (name.startsWith(ENV_PREFIX) && (name.includes(ENV_SEPARATOR) || isTopLevel(name))) {
      found.push([name.slice(ENV_PREFIX.length).split(ENV_SEPARATOR), text]);
    }
  }
  return found;
}

/** `TOLLGATE_LOG_LEVEL` and the like: a value that stands at the top of the file. */
function isTopLevel(name: string): boolean {
  return Object.keys(ConfigSchema.properties).some((key) => ENV_PREFIX + envSpelling(key) === name);
}

/** A queue is named after its model, and RabbitMQ takes 255 bytes: so much is left by the longest prefix. */
const MODEL_NAME_MAX = 128;

/** For how long a delivery may be owned beside its call: it waits for an actor, its result for a confirm. */
const BESIDE_CALL_MS = 60_000;

/** References between parts that a schema cannot express. */
function crossCheck(config: Config): string[] {
  const problems = redisProblems(config.redis, config.allow_plaintext);
  if (config.models[config.default_model] === undefined)
    problems.push("default_model: must be one of models");
  if (config.tiers[config.default_tier] === undefined)
    problems.push("default_tier: must be one of tiers");
  if (config.gateway.accept_timeout_ms >= config.keeper.orphan_after_ms) {
    problems.push(
      "keeper.orphan_after_ms: must be above gateway.accept_timeout_ms, or holds of slow accepts are freed",
    );
  }
  if (config.postgres.statement_timeout_ms >= config.postgres.deadline_ms) {
    problems.push("postgres.deadline_ms: must be above postgres.statement_timeout_ms");
  }
  problems.push(
    ...postgresProblems(config.postgres, config.allow_plaintext),
    ...amqpProblems(config.amqp, config.allow_plaintext),
  );
  for (const [name, model] of Object.entries(config.models)) {
    if (name.length > MODEL_NAME_MAX)
      problems.push(`models.${name}: the name must have at most ${MODEL_NAME_MAX} characters`);
    if (model.protocol === "json" && model.mapping === undefined)
      problems.push(`models.${name}.mapping: is needed by the json protocol`);
    if (model.output_tokens_default > model.output_tokens_max)
      problems.push(`models.${name}.output_tokens_default: must not exceed output_tokens_max`);
    if (model.timeout_ms + BESIDE_CALL_MS >= config.amqp.consumer_timeout_ms)
      problems.push(
        `models.${name}.timeout_ms: must be more than a minute below amqp.consumer_timeout_ms; for longer ` +
          "calls raise consumer_timeout in RabbitMQ's rabbitmq.conf, restart it, and say the same here",
      );
    if (model.reply_bytes_max > config.amqp.message_bytes_max)
      problems.push(
        `models.${name}.reply_bytes_max: must not exceed amqp.message_bytes_max, which RabbitMQ takes; for ` +
          "longer replies raise max_message_size in its rabbitmq.conf, restart it, and say the same there",
      );
    problems.push(...modelProblems(name, model, config.allow_plaintext));
    if (model.concurrency_min > model.concurrency_max)
      problems.push(`models.${name}.concurrency_min: must not exceed concurrency_max`);
  }
  return problems;
}

/** The file with its defaults and the environment over it, and what does not fit the schema. */
function candidateOf(
  file: unknown,
  env: Record<string, string | undefined>,
): { candidate: unknown; problems: string[] } {
  if (!isTree(file)) throw new ConfigError(["the file: must be a mapping"]);
  // Defaults first, so that an override finds the type of what it replaces.
  const tree = Value.Default(ConfigSchema, structuredClone(file)) as Tree;
  for (const [path, text] of overrides(env)) setPath(tree, path, text);
  const candidate = Value.Convert(ConfigSchema, Value.Default(ConfigSchema, tree));
  const problems = [...Value.Errors(ConfigSchema, candidate)].map(({ path, message, schema }) => {
    const allowed = typeof schema.description === "string" ? ` (${schema.description})` : "";
    return `${path.slice(1).replaceAll("/", ".")}: ${message}${allowed}`;
  });
  return { candidate, problems: [...new Set(problems)] };
}

/**
 * The configuration from the parsed file and the environment, which wins: `TOLLGATE_GATEWAY__PORT=8081` sets
 * `gateway.port`. Unknown keys are errors.
 *
 * @throws {ConfigError} naming every bad field
 */
export function parseConfig(file: unknown, env: Record<string, string | undefined>): Config {
  const { candidate, problems } = candidateOf(file, env);
  if (problems.length > 0) throw new ConfigError(problems);
  const config = candidate as Config;
  const mismatches = crossCheck(config);
  if (mismatches.length > 0) throw new ConfigError(mismatches);
  return config;
}

/**
 * The section `postgres` alone, for who needs no more and may not have the rest.
 *
 * @throws {ConfigError} naming every bad field of it
 */
export function parsePostgres(
  file: unknown,
  env: Record<string, string | undefined>,
): Pick<Config, "postgres"> {
  const { candidate, problems } = candidateOf(file, env);
  const ours = problems.filter((problem) => /^(postgres|allow_plaintext)\b/.test(problem));
  if (ours.length > 0) throw new ConfigError(ours);
  const { postgres, allow_plaintext } = candidate as Pick<Config, "postgres" | "allow_plaintext">;
  const mismatches = postgresProblems(postgres, allow_plaintext);
  if (mismatches.length > 0) throw new ConfigError(mismatches);
  return { postgres };
}
