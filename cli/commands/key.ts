import type { Command } from "commander";

import { type ApiKey, listKeys, revokeKey, rotateKey } from "../../adapters/postgres/api-keys.ts";
import type { Config } from "../../core/config/schema.ts";
import { KEY_ROUTES, type KeyRoute } from "../../core/key-record.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { ACTOR_OPTION, type ActOptions, actOf, REASON_OPTION } from "../operator/actor.ts";
import { parseDuration, parseLifetime } from "../operator/arguments.ts";
import { forgetKeys, giveKey, type MintedKey, mintKey, requireKey } from "../operator/keys.ts";
import { operate } from "../operator/operate.ts";
import { formatInstant, formatTable, printJson, printLine } from "../../adapters/terminal/table.ts";
import { requireUser } from "../operator/users.ts";

export function registerKey(program: Command): void {
  const key = program
    .command("key")
    .description("add, list, rotate and revoke API keys")
    .addHelpText(
      "after",
      `
USER is an id, an email, or a name that only one user has. KEY is a key id, or the key itself.

Examples:
  ./tollgate key add ada@example.org --name laptop --expires 90d
  ./tollgate key list ada@example.org`,
    );
  registerAdd(key);
  registerList(key);
  registerRotate(key);
  registerRevoke(key);
}

interface NewKeyOptions extends ActOptions {
  name?: string;
  expires?: string;
  json?: boolean;
}

function registerAdd(key: Command): void {
  key
    .command("add")
    .description("give a user one more key, which is shown this once")
    .argument("<user>")
    .option("--name <name>", "what the key is for", "")
    .option("--expires <duration>", "how long it works, such as 90d or 24h (default: for ever)")
    .option("--models <models>", "the only models of its requests, such as sim-chat,sim-json")
    .option("--routes <routes>", "the only things that it may do, of submit,read,cancel")
    .option(...ACTOR_OPTION)
    .option(...REASON_OPTION)
    .option("--json", "print {key_id, user_id, api_key, expires_at}")
    .addHelpText(
      "after",
      `
Example:
  ./tollgate key add ada@example.org --name laptop --expires 90d
  ./tollgate key add ada@example.org --name dashboard --routes read`,
    )
    .action(add);
}

async function add(who: string, options: NewKeyOptions & ScopeOptions): Promise<void> {
  const expiresAtMs = expiryOf(options.expires);
  const routes = parseRoutes(options.routes);
  await operate({ servers: ["postgres"], secrets: ["keyPepper"] }, async (operation) => {
    const { userId } = await requireUser(operation.database, who);
    const models = parseModels(options.models, operation.config);
    const about = { name: options.name ?? "", expiresAtMs, models, routes };
    printNewKey(
      userId,
      await giveKey(operation, userId, about, actOf(options)),
      options.json === true,
    );
  });
}

interface ScopeOptions {
  models?: string;
  routes?: string;
}

/** @throws {CommandFailure} naming what there is */
function parseRoutes(text: string | undefined): KeyRoute[] | null {
  if (text === undefined) return null;
  const isRoute = (name: string): name is KeyRoute => KEY_ROUTES.some((route) => route === name);
  const names = text.split(",");
  const routes = names.filter(isRoute);
  if (routes.length === names.length) return [...new Set(routes)];
  throw new CommandFailure(`--routes ${text} is not valid: give some of ${KEY_ROUTES.join(",")}`, {
    exitCode: EXIT.usage,
  });
}

/** @throws {CommandFailure} naming what there is */
function parseModels(text: string | undefined, { models }: Pick<Config, "models">) {
  if (text === undefined) return null;
  const names = [...new Set(text.split(","))];
  if (names.every((name) => Object.hasOwn(models, name))) return names;
  throw new CommandFailure(
    `--models ${text} is not valid: give some of ${Object.keys(models).join(",")}`,
    { exitCode: EXIT.usage },
  );
}

const expiryOf = (expires: string | undefined): number | null =>
  expires === undefined ? null : Date.now() + parseLifetime(expires, "--expires");

function printNewKey(userId: string, { apiKey, record }: MintedKey, isJson: boolean): void {
  const expiresAt = record.expiresAtMs;
  if (isJson) {
    printJson({
      key_id: record.keyId,
      user_id: userId,
      api_key: apiKey,
      expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    });
    return;
  }
  printLine(`key id   ${record.keyId}`);
  printLine(`API key  ${apiKey}`);
  if (expiresAt !== null) printLine(`expires  ${formatInstant(expiresAt)} UTC`);
  printLine("Keep the key: it is stored nowhere and cannot be shown again.");
}

function registerList(key: Command): void {
  key
    .command("list")
    .description("list a user's keys, those that are over too")
    .argument("<user>")
    .option("--json", "print an array of objects")
    .addHelpText(
      "after",
      `
Example:
  ./tollgate key list ada@example.org --json | jq -r '.[] | select(.usable).key_id'`,
    )
    .action(list);
}

async function list(who: string, options: { json?: boolean }): Promise<void> {
  await operate({ servers: ["postgres"], secrets: [] }, async ({ database }) => {
    const { userId } = await requireUser(database, who);
    const keys = await listKeys(database, userId);
    if (options.json === true) {
      printJson(keys.map(keyJson));
      return;
    }
    const rows = keys.map((key) => [
      key.keyId,
      `${key.prefix}…${key.last4}`,
      key.name,
      stateOf(key),
      formatInstant(key.createdAtMs),
      key.expiresAtMs === null ? "never" : formatInstant(key.expiresAtMs),
      key.models?.join(",") ?? "all",
      key.routes?.join(",") ?? "all",
    ]);
    const times = ["ADDED (UTC)", "EXPIRES (UTC)"];
    const heading = ["KEY ID", "KEY", "NAME", "STATE", ...times, "MODELS", "ROUTES"];
    printLine(formatTable(heading, rows));
  });
}

function stateOf(key: ApiKey): string {
  if (key.revokedAtMs !== null) return "revoked";
  return key.usable ? "usable" : "expired";
}

function keyJson(key: ApiKey) {
  const iso = (ms: number | null): string | null =>
    ms === null ? null : new Date(ms).toISOString();
  return {
    key_id: key.keyId,
    prefix: key.prefix,
    last4: key.last4,
    name: key.name,
    usable: key.usable,
    created_at: iso(key.createdAtMs),
    expires_at: iso(key.expiresAtMs),
    revoked_at: iso(key.revokedAtMs),
    models: key.models,
    routes: key.routes,
  };
}

function registerRotate(key: Command): void {
  key
    .command("rotate")
    .description("give the owner of a key a new one, and let the old one work a while longer")
    .argument("<key>")
    .option("--overlap <duration>", "how long the old key still works", "24h")
    .option("--name <name>", "name of the new key (default: that of the old one)")
    .option(
      "--expires <duration>",
      "how long the new one works (default: as long as the old one was meant to)",
    )
    .option(...ACTOR_OPTION)
    .option(...REASON_OPTION)
    .option("--json", "print {key_id, user_id, api_key, expires_at} of the new key")
    .addHelpText(
      "after",
      `
The new key may be used for what the old one may. The old key's end takes effect on all gateways;
--overlap 0s ends it within a second.

Example:
  ./tollgate key rotate 01980f6e-8a3e-7000-8000-3f1d5b0c9a11 --overlap 7d`,
    )
    .action(rotate);
}

async function rotate(text: string, options: NewKeyOptions & { overlap: string }): Promise<void> {
  const overlapMs = parseDuration(options.overlap, "--overlap");
  const expiresAtMs = expiryOf(options.expires);
  await operate({ servers: ["postgres", "redis"], secrets: ["keyPepper"] }, async (operation) => {
    const { config, database } = operation;
    const old = await requireKey(database, config, text);
    const successor = mintKey(config, {
      name: options.name ?? old.name,
      expiresAtMs: expiresAtMs ?? sameLifetime(old, Date.now()),
    });
    const rotated = await rotateKey(
      database,
      { keyId: old.keyId, overlapMs, successor: successor.record },
      actOf(options),
    );
    if (rotated === undefined) {
      throw new CommandFailure(
        `the key ${old.keyId} is ${stateOf(old)}: ` +
          `give its owner a new one with ./tollgate key add ${old.userId}`,
      );
    }
    // First of all: if the gateways cannot be told, the new key must not be lost with the error.
    printNewKey(rotated.userId, successor, options.json === true);
    await forgetKeys(operation, [rotated.keyHash]);
    if (options.json === true) return;
    printLine(
      overlapMs === 0
        ? "The old key works no longer."
        : `The old key works for another ${options.overlap} at most.`,
    );
  });
}

/** A key that was made for 90 days is followed by one that works for 90, even in its overlap. */
function sameLifetime({ createdAtMs, meantExpiresAtMs }: ApiKey, nowMs: number): number | null {
  return meantExpiresAtMs === null ? null : nowMs + (meantExpiresAtMs - createdAtMs);
}

function registerRevoke(key: Command): void {
  key
    .command("revoke")
    .description("end a key for good, on all gateways within a second, or 2 without Redis")
    .argument("<key>")
    .option(...ACTOR_OPTION)
    .option(...REASON_OPTION)
    .addHelpText(
      "after",
      `
Requests that were accepted with it go on. Revoking again does no harm.

Example:
  ./tollgate key revoke 01980f6e-8a3e-7000-8000-3f1d5b0c9a11`,
    )
    .action(revoke);
}

async function revoke(text: string, options: ActOptions): Promise<void> {
  // The key itself is looked up by its hash.
  const secrets = text.startsWith("tg_") ? (["keyPepper"] as const) : [];
  await operate({ servers: ["postgres", "redis"], secrets }, async (operation) => {
    const { config, database } = operation;
    const { keyId, prefix, last4 } = await requireKey(database, config, text);
    const keyHash = await revokeKey(database, keyId, actOf(options));
    if (keyHash !== undefined) await forgetKeys(operation, [keyHash]);
    printLine(`the key ${prefix}…${last4} (${keyId}) is revoked`);
  });
}
