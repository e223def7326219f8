import type { Database } from "../../adapters/postgres/connect.ts";
import type { RequestFilter } from "../../adapters/postgres/search-requests.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { RequestState } from "../../core/request/request.ts";
import { parseDuration } from "../operator/arguments.ts";
import { isUuid, requireUser } from "../operator/users.ts";

/** Which requests are meant, as it is written on the command line. */
export interface FilterOptions {
  user?: string;
  model?: string;
  olderThan?: string;
  status?: string;
}

/** As commander takes them. */
export const FILTER_OPTIONS = {
  user: ["-u, --user <user>", "of this user: an id, an email, or a name that only one has"],
  model: ["-m, --model <model>", "of this model"],
  olderThan: ["--older-than <duration>", "accepted longer ago than 90d, 24h, 30m or 45s"],
} as const;

/** Reads a filter. @throws {CommandFailure} when a value is not valid, or there is no such user */
export async function readFilter(
  database: Database,
  { user, model, olderThan }: FilterOptions,
): Promise<RequestFilter> {
  // Before anything is asked for, so that wrong use is told first.
  const olderThanMs =
    olderThan === undefined ? undefined : parseDuration(olderThan, "--older-than");
  return { userId: await userOf(database, user), model, olderThanMs };
}

/** An id may be that of a user who was deleted, and whose requests are still there. */
async function userOf(database: Database, user: string | undefined): Promise<string | undefined> {
  if (user === undefined) return undefined;
  return isUuid(user) ? user.toLowerCase() : (await requireUser(database, user)).userId;
}

/** @throws {CommandFailure} when it is not one of those allowed; absent: undefined */
export function parseStatus<State extends RequestState>(
  text: string | undefined,
  allowed: readonly State[],
): State | undefined {
  if (text === undefined) return undefined;
  const found = allowed.find((state) => state === text);
  if (found !== undefined) return found;
  throw new CommandFailure(`--status ${text} is none: give one of ${allowed.join(", ")}`, {
    exitCode: EXIT.usage,
  });
}

/** What a filter means, in words: ` of ada@example.org, of the model x, older than 1h`. */
export function describeFilter({ user, model, olderThan, status }: FilterOptions): string {
  const parts = [
    ...(user === undefined ? [] : [`of ${user}`]),
    ...(model === undefined ? [] : [`of the model ${model}`]),
    ...(olderThan === undefined ? [] : [`older than ${olderThan}`]),
    ...(status === undefined ? [] : [`that are ${status.replace("_", " ")}`]),
  ];
  return parts.length === 0 ? "" : ` ${parts.join(", ")}`;
}

/** @throws {CommandFailure} when it is no id */
export function requireRequestId(text: string): string {
  if (isUuid(text)) return text.toLowerCase();
  throw new CommandFailure(`${text} is no request id: see ./tollgate request list`, {
    exitCode: EXIT.usage,
  });
}
