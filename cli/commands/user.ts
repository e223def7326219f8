import type { Command } from "commander";

import { keyHashesOf } from "../../adapters/postgres/api-keys.ts";
import { findLimits, findTiers, setQuota } from "../../adapters/postgres/quotas.ts";
import { listUsers, setConcurrentLimit, type User } from "../../adapters/postgres/users.ts";
import { createLiveQuota } from "../../adapters/quota/live-quota.ts";
import { effectiveLimits, type UserLimits } from "../../core/quota/limits.ts";
import { CommandFailure, describeError } from "../../adapters/terminal/failure.ts";
import { parseCount, parseLimit } from "../operator/arguments.ts";
import { forgetKeys, giveKey } from "../operator/keys.ts";
import { changedQuotas, type LimitChange } from "../operator/limits.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { formatQuota, reportQuota } from "../operator/quota-report.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { printJson, printLine } from "../../adapters/terminal/table.ts";
import { formatUsers, listedJson, withTiers } from "../operator/user-list.ts";
import { rememberTier, tiersInForce } from "../operator/tiers.ts";
import { createUser, nameAndEmail, requireTier, requireUser } from "../operator/users.ts";
import { registerActivity } from "./user-activity.ts";

export function registerUser(program: Command): void {
  const user = program
    .command("user")
    .description("add users, list them, see and change their quotas")
    .addHelpText(
      "after",
      `
USER is an id, an email, or a name that only one user has.

Examples:
  ./tollgate user add "Ada Lovelace" ada@example.org --tier free
  ./tollgate user quota ada@example.org --daily-tokens 200000`,
    );
  registerAdd(user);
  registerList(user);
  registerQuota(user);
  registerActivity(user);
}

function registerAdd(user: Command): void {
  user
    .command("add")
    .description("add a user and print its first API key, which is shown this once")
    .argument("<name>", "the name, or an email that stands for both")
    .argument("[email]", "must not belong to another user, however it is spelt")
    .option("--email <email>", "the same as an option")
    .option(
      "--tier <tier>",
      "whose quotas the user gets (default: default_tier of the configuration)",
    )
    .option("--no-key", "add no key")
    .option("--json", "print {user_id, name, email, tier, key_id, api_key}")
    .addHelpText(
      "after",
      `
Examples:
  ./tollgate user add "Ada Lovelace" ada@example.org
  key=$(./tollgate user add ci@example.org --tier free --json | jq -r .api_key)`,
    )
    .action(add);
}

async function add(
  nameGiven: string,
  emailGiven: string | undefined,
  options: { email?: string; tier?: string; key: boolean; json?: boolean },
): Promise<void> {
  const { name, email } = nameAndEmail(nameGiven, emailGiven, options.email);
  const secrets = options.key ? (["keyPepper"] as const) : [];
  await operate({ servers: ["postgres"], secrets }, async (operation) => {
    const { config, database } = operation;
    const tier = requireTier(options.tier ?? config.default_tier, config);
    await rememberTier(operation, tier);
    const userId = await createUser(database, { name, email, tier });
    const key = options.key
      ? await giveKey(database, config, userId, { name: "first", expiresAtMs: null })
      : undefined;
    if (options.json === true) {
      const made = key && { key_id: key.record.keyId, api_key: key.apiKey };
      printJson({ user_id: userId, name, email, tier, ...made });
      return;
    }
    printLine(`user     ${userId}  ${printable(`${name} <${email}>`)}, tier ${tier}`);
    if (key === undefined) return;
    printLine(`key id   ${key.record.keyId}`);
    printLine(`API key  ${key.apiKey}`);
    printLine("Keep the key: it is stored nowhere and cannot be shown again.");
  });
}

function registerList(user: Command): void {
  user
    .command("list")
    .description("list users in the order in which they were added")
    .option("--limit <count>", "how many", "100")
    .option("--after <id>", "go on after this user")
    .option("--json", "print {users: [...], next}; next is where to go on, or null")
    .addHelpText(
      "after",
      `
Examples:
  ./tollgate user list
  ./tollgate user list --json | jq -r '.users[] | select(.active).email'`,
    )
    .action(list);
}

async function list(options: { limit: string; after?: string; json?: boolean }): Promise<void> {
  const limit = parseCount(options.limit, "--limit", 1, 10_000);
  await operate({ servers: ["postgres"], secrets: [] }, async ({ config, database }) => {
    const after =
      options.after === undefined ? null : (await requireUser(database, options.after)).userId;
    const { items, next } = await listUsers(database, after, limit);
    const ids = items.map(({ userId }) => userId);
    const tiers = await findTiers(database, ids);
    const users = items.map((one) => withTiers(one, tiers.get(one.userId), config.default_tier));
    if (options.json === true) {
      printJson({ users: users.map((one) => listedJson(one, config)), next });
      return;
    }
    printLine(formatUsers(users, config));
    if (next !== null) printLine(`There may be more: ./tollgate user list --after ${next}`);
  });
}

interface QuotaOptions {
  tier?: string;
  dailyRequests?: string;
  dailyTokens?: string;
  monthlyRequests?: string;
  monthlyTokens?: string;
  concurrent?: string;
  json?: boolean;
}

function registerQuota(user: Command): void {
  const limit = "<limit>";
  user
    .command("quota")
    .description("show what a user may use and has used; with options, change it first")
    .argument("<user>")
    .option("--tier <tier>", "take the limits of this tier where the user has none of its own")
    .option(`--daily-requests ${limit}`, "per UTC day: a number, none, or tier")
    .option(`--daily-tokens ${limit}`, "likewise")
    .option(`--monthly-requests ${limit}`, "per UTC month")
    .option(`--monthly-tokens ${limit}`, "likewise")
    .option(`--concurrent ${limit}`, "requests open at once")
    .option("--json", "print the report as an object")
    .addHelpText(
      "after",
      `
USED includes HELD, the estimates of requests that have not ended. Changes take effect with the next
request; what is used stays used, so a limit below it refuses until the window ends.
A limit is written as it is printed (1,000,000), or 1000000, 1_000_000, 1M.
A limit set here stands above the tier's until it is set to "tier".

Examples:
  ./tollgate user quota ada@example.org
  ./tollgate user quota ada@example.org --tier free --daily-tokens 200000 --concurrent none
  ./tollgate user quota ada@example.org --daily-tokens tier`,
    )
    .action(quota);
}

async function quota(who: string, options: QuotaOptions): Promise<void> {
  const change = changeOf(options);
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    const { config, database } = operation;
    if (change.tier !== undefined) requireTier(change.tier, config);
    const user = await requireUser(database, who);
    await changeLimits(operation, user, change);

    const inForce = await tiersInForce(operation);
    const live = createLiveQuota(await operation.redis(), database, () => inForce);
    const snapshot = await live.gate.readOrRebuild(user.userId);
    const limits = await storedLimits(operation, user);
    const report = reportQuota(user, limits, snapshot, config);
    if (options.json === true) printJson(report);
    else printLine(formatQuota(report));
  });
}

function changeOf(options: QuotaOptions): LimitChange {
  const set = <Name extends string>(
    name: Name,
    text: string | undefined,
    flag: string,
    min = 0,
    max?: number,
  ) =>
    (text === undefined ? {} : { [name]: parseLimit(text, flag, min, max) }) as Partial<
      Record<Name, number | null>
    >;
  return {
    ...(options.tier === undefined ? {} : { tier: options.tier }),
    daily: {
      ...set("requests", options.dailyRequests, "--daily-requests"),
      ...set("tokens", options.dailyTokens, "--daily-tokens"),
    },
    monthly: {
      ...set("requests", options.monthlyRequests, "--monthly-requests"),
      ...set("tokens", options.monthlyTokens, "--monthly-tokens"),
    },
    ...set("concurrentRequests", options.concurrent, "--concurrent", 1, 2 ** 31 - 1),
  };
}

/** PostgreSQL first, then Redis: limits only, never counters, so that what settles meanwhile is kept. */
async function changeLimits(operation: Operation, user: User, change: LimitChange): Promise<void> {
  const { config, database } = operation;
  const { userId } = user;
  const quotas = changedQuotas(await storedLimits(operation, user), change, config.default_tier);
  if (quotas.length === 0 && change.concurrentRequests === undefined) return;
  if (change.tier !== undefined) await rememberTier(operation, change.tier);
  for (const changed of quotas) await setQuota(database, { userId, ...changed });
  // Gateways know a user's tier, and so how urgent their requests may be, with the keys.
  if (change.tier !== undefined) await forgetKeys(operation, await keyHashesOf(database, userId));
  if (change.concurrentRequests !== undefined)
    await setConcurrentLimit(database, userId, change.concurrentRequests);

  // Read again: of two operators at once, whoever comes last tells Redis what both have stored.
  const inForce = await tiersInForce(operation);
  const limits = effectiveLimits(
    await storedLimits(operation, user),
    inForce.tiers,
    inForce.default_tier,
  );
  try {
    const live = createLiveQuota(await operation.redis(), database, () => inForce);
    await live.store.setLimits(userId, limits);
  } catch (error) {
    throw new CommandFailure(
      "the limits are stored, but the old ones stay in force for hours, because Redis does not answer " +
        `(${describeError(error)}): repeat the command when it does`,
      { cause: error },
    );
  }
}

async function storedLimits({ database }: Operation, { userId, name }: User): Promise<UserLimits> {
  const limits = await findLimits(database, userId);
  if (limits === undefined) throw new CommandFailure(`the user ${name} was deleted meanwhile`);
  return limits;
}
