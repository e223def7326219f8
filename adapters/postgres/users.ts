import { foldEmail } from "../../core/email.ts";
import { textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";
import { type Act, noteChanges } from "./operator-actions.ts";
import { FIRST_ID, pageOf } from "./request-rows.ts";
import type { Page } from "../../core/request/stored-request.ts";

export interface User {
  userId: string;
  name: string;
  email: string;
  createdAtMs: number;
  active: boolean;
  /** Requests that may be open at once. null: the tier's; -1: no limit. */
  concurrentRequests: number | null;
}

interface UserRow {
  user_id: string;
  name: string;
  email: string;
  created_at: number;
  active: boolean;
  concurrent_limit: number | null;
}

const userOf = (row: UserRow): User => ({
  userId: row.user_id,
  name: row.name,
  email: row.email,
  createdAtMs: row.created_at,
  active: row.active,
  concurrentRequests: row.concurrent_limit,
});

export async function findUser(database: Database, userId: string): Promise<User | undefined> {
  const [row] = await database.run(
    "find a user",
    (sql) => sql<UserRow[]>`select * from users where user_id = ${userId}`,
  );
  return row && userOf(row);
}

/** The emails of users, by id; one that is deleted has none. */
export async function findEmails(
  database: Database,
  userIds: readonly string[],
): Promise<Map<string, string>> {
  const rows = await database.run(
    "find emails",
    (sql) => sql<{ user_id: string; email: string }[]>`
      select user_id, email from users where user_id = any(${textArray(userIds)}::uuid[])`,
  );
  return new Map(rows.map((row) => [row.user_id, row.email]));
}

/**
 * Whatever the spelling of the email (`foldEmail`); of old users who share one, the user whose own spelling
 * it is.
 */
export async function findUserByEmail(
  database: Database,
  email: string,
): Promise<User | undefined> {
  const [row] = await database.run(
    "find a user by email",
    (sql) => sql<UserRow[]>`
      select *
      from users
      where email_folded = ${foldEmail(email)}
        or lower(email) = lower(${email})
      order by lower(email) = lower(${email}) desc
      limit 1`,
  );
  return row && userOf(row);
}

interface UnfoldedRow {
  user_id: string;
  email: string;
}

/**
 * Folds the emails of users whom an older release added, so that nobody else takes another spelling of them.
 * Of several who share an email the first keeps it, the others stay as they are. Returns how many were
 * folded.
 */
export async function foldEmails(database: Database, pageRows = 1_000): Promise<number> {
  let folded = 0;
  let after = FIRST_ID;
  for (;;) {
    const rows = await database.run(
      "find unfolded emails",
      (sql) => sql<UnfoldedRow[]>`
        select user_id, email
        from users
        where email_folded is null
          and user_id > ${after}
        order by user_id
        limit ${pageRows}`,
    );
    const last = rows.at(-1);
    if (last === undefined) return folded;
    after = last.user_id;
    const { count } = await database.run(
      "fold emails",
      (sql) => sql`
        with given as (
          select distinct on (folded) user_id, folded
          from unnest(
            ${textArray(rows.map((row) => row.user_id))}::uuid[],
            ${textArray(rows.map((row) => foldEmail(row.email)))}::text[]
          ) as t (user_id, folded)
          order by folded, user_id
        )
        update users u
        set email_folded = g.folded
        from given g
        where u.user_id = g.user_id
          and u.email_folded is null
          and not exists (select from users o where o.email_folded = g.folded)`,
    );
    folded += count;
  }
}

/** Whatever the case of the name; names are not unique. Reads all users. */
export async function findUsersByName(
  database: Database,
  name: string,
  limit: number,
): Promise<User[]> {
  const rows = await database.run(
    "find users by name",
    (sql) => sql<UserRow[]>`
      select *
      from users
      where lower(name) = lower(${name})
      order by user_id
      limit ${limit}`,
  );
  return rows.map(userOf);
}

/** One page of all users in the order of ids. */
export async function listUsers(
  database: Database,
  after: string | null,
  limit: number,
): Promise<Page<User>> {
  const rows = await database.run(
    "list users",
    (sql) => sql<UserRow[]>`
      select *
      from users
      where user_id > ${after ?? FIRST_ID}
      order by user_id
      limit ${limit}`,
  );
  return pageOf(rows, limit, (row) => row.user_id, userOf);
}

/**
 * Notes it, also when nothing changes. Returns whether there is such a user. Gateways serve cached keys until
 * they are told.
 */
export async function setUserActive(
  database: Database,
  userId: string,
  active: boolean,
  act: Act,
): Promise<boolean> {
  const rows = await database.run(
    "set a user's activity",
    (sql) => sql`
      with before as (
        select user_id, active from users where user_id = ${userId} for update
      ),
      changed as (
        update users u
        set active = ${active}
        from before b
        where u.user_id = b.user_id
      ),
      noted as (${noteChanges(
        sql,
        act,
        active ? "user.activate" : "user.deactivate",
        sql`
          select
            user_id as target, '{}'::jsonb as detail, jsonb_build_object('active', active) as before,
            jsonb_build_object('active', ${active}::boolean) as after
          from before`,
      )})
      select from before`,
  );
  return rows.length > 0;
}
