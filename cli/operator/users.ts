import { randomUUIDv7 } from "bun";

import type { Database } from "../../adapters/postgres/connect.ts";
import { isUniqueViolation } from "../../adapters/postgres/errors.ts";
import { addUsers, type NewUser } from "../../adapters/postgres/new-users.ts";
import type { Act } from "../../adapters/postgres/operator-actions.ts";
import {
  findUser,
  findUserByEmail,
  findUsersByName,
  type User,
} from "../../adapters/postgres/users.ts";
import type { Config } from "../../core/config/schema.ts";
import { foldEmail, isEmail } from "../../core/email.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NAMESAKES_MAX = 5;

export const isUuid = (text: string): boolean => UUID.test(text);

/** @throws {CommandFailure} naming the tiers there are */
export function requireTier(tier: string, { tiers }: Pick<Config, "tiers">): string {
  if (Object.hasOwn(tiers, tier)) return tier;
  throw new CommandFailure(
    `there is no tier ${tier}: there are ${Object.keys(tiers).join(", ")} (tiers of the configuration)`,
    { exitCode: EXIT.usage },
  );
}

/**
 * Adds a user with the quotas of a tier and a first key, if any; returns the id.
 *
 * @throws {CommandFailure} when the email is taken or a value is not valid
 */
export async function createUser(
  database: Database,
  { name, email, tier, key }: Omit<NewUser, "userId">,
  act: Act,
): Promise<string> {
  const problem = nameProblem(name) ?? emailProblem(email);
  if (problem !== undefined) throw new CommandFailure(problem, { exitCode: EXIT.usage });
  const userId = randomUUIDv7();
  try {
    await addUsers(database, [{ userId, name, email, tier, key }], act);
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new CommandFailure(
      `the email ${email} belongs to a user already: see ./tollgate user quota ${email}, ` +
        `add a key with ./tollgate key add ${email}`,
      { cause: error },
    );
  }
  return userId;
}

/** What the constraints of `users` would refuse. */
function nameProblem(name: string): string | undefined {
  if (name.trim() !== "" && name.length <= 200) return undefined;
  return "the name must have 1 to 200 characters";
}

function emailProblem(email: string): string | undefined {
  if (isEmail(email)) return undefined;
  return `the email ${email} is not an address: give one like ada@example.org`;
}

/**
 * The name and the email of a new user, from what a person gave: a name and an email, or an email that stands
 * for both.
 *
 * @throws {CommandFailure} when there is no email, or two
 */
export function nameAndEmail(
  name: string,
  argument: string | undefined,
  option: string | undefined,
): { name: string; email: string } {
  const [email = name, other = email] = [option, argument].filter((one) => one !== undefined);
  const wrongUse = (message: string) => new CommandFailure(message, { exitCode: EXIT.usage });
  if (foldEmail(email) !== foldEmail(other))
    throw wrongUse(`the email is given twice, as ${argument} and as ${option}: give it once`);
  if (email === name && !isEmail(email))
    throw wrongUse(`the email is missing: ./tollgate user add "${name}" ada@example.org`);
  return { name, email };
}

/**
 * The user that a person means: by id, by email, or by a name that only one has.
 *
 * @throws {CommandFailure} when there is none, or several of that name
 */
export async function requireUser(database: Database, text: string): Promise<User> {
  const found = await candidates(database, text);
  const [user] = found;
  if (user === undefined)
    throw new CommandFailure(
      `there is no user ${text}: give an id, an email or a name of ./tollgate user list`,
    );
  if (found.length === 1) return user;
  const choices = found.map(({ email }) => email).join(", ");
  const more = found.length === NAMESAKES_MAX ? ", …" : "";
  throw new CommandFailure(
    `several users are called ${text}: say which by email: ${choices}${more}`,
    {
      exitCode: EXIT.usage,
    },
  );
}

async function candidates(database: Database, text: string): Promise<User[]> {
  if (isUuid(text)) return present(await findUser(database, text));
  if (text.includes("@")) return present(await findUserByEmail(database, text));
  return findUsersByName(database, text, NAMESAKES_MAX);
}

const present = <Item>(item: Item | undefined): Item[] => (item === undefined ? [] : [item]);
