import { textArray } from "./arrays.ts";
import type { Database, Sql } from "./connect.ts";

/** Who does something, and why; noted with what is done, in the same statement. */
export interface Act {
  /** `user@host`, what they called themselves, or the token that they used. */
  actor: string;
  reason: string | null;
}

/** Something that an operator did to a request, a model, a user or a key. */
export interface OperatorAction extends Act {
  /** Such as `request.cancel`. */
  action: string;
  /** The id of the request, the user or the key, or the name of the model. */
  target: string;
  detail: Readonly<Record<string, unknown>>;
}

export interface NotedAction extends OperatorAction {
  actionId: number;
  atMs: number;
  /** What was changed, as it was and as it is since; null: nothing was there, or nothing is left. */
  before: unknown;
  after: unknown;
}

/**
 * What notes changes in the statement that makes them: `changes` selects `target`, `detail`, `before` and
 * `after` of each.
 */
export const noteChanges = (
  sql: Sql,
  { actor, reason }: Act,
  action: string,
  changes: ReturnType<Sql>,
) => sql`
  insert into operator_actions (actor, reason, action, target, detail, before, after)
  select ${actor}, ${reason}, ${action}, target::text, detail, before, after
  from (${changes}) as change`;

/**
 * Notes actions for good: the table refuses changes. For looks, and for what is done elsewhere than in
 * PostgreSQL: note it first. @throws {Fault} STORE_UNAVAILABLE
 */
export async function noteActions(
  database: Database,
  actions: readonly (OperatorAction & { before?: unknown })[],
): Promise<void> {
  if (actions.length === 0) return;
  const json = (values: readonly unknown[]) =>
    textArray(values.map((value) => (value === undefined ? null : JSON.stringify(value))));
  await database.run(
    "note operator actions",
    (sql) => sql`
      insert into operator_actions (actor, reason, action, target, detail, before)
      select actor, reason, action, target, detail, before
      from unnest(
        ${textArray(actions.map(({ actor }) => actor))}::text[],
        ${textArray(actions.map(({ reason }) => reason))}::text[],
        ${textArray(actions.map(({ action }) => action))}::text[],
        ${textArray(actions.map(({ target }) => target))}::text[],
        ${json(actions.map(({ detail }) => detail))}::jsonb[],
        ${json(actions.map(({ before }) => before))}::jsonb[]
      ) with ordinality as row (actor, reason, action, target, detail, before, position)
      order by position`,
  );
}

interface ActionRow {
  action_id: number;
  acted_at: number;
  actor: string;
  reason: string | null;
  action: string;
  target: string;
  detail: Record<string, unknown>;
  before: unknown;
  after: unknown;
}

const actionOf = ({ action_id: actionId, acted_at: atMs, ...action }: ActionRow): NotedAction => ({
  ...action,
  actionId,
  atMs,
  reason: action.reason ?? reasonIn(action.detail),
});

/** Where a release from before wrote it. */
function reasonIn({ reason }: Record<string, unknown>): string | null {
  return typeof reason === "string" ? reason : null;
}

/** What was done to one target, oldest first. @throws {Fault} STORE_UNAVAILABLE */
export async function actionsOn(
  database: Database,
  target: string,
  limit: number,
): Promise<NotedAction[]> {
  const rows = await database.run(
    "read operator actions",
    (sql) => sql<ActionRow[]>`
      select action_id, acted_at, actor, reason, action, target, detail, before, after
      from operator_actions
      where target = ${target}
      order by action_id
      limit ${limit}`,
  );
  return rows.map(actionOf);
}

/** What is absent does not matter. */
export interface ActionFilter {
  actor?: string | undefined;
  /** `key.revoke`, or `key` for all that was done to keys. */
  action?: string | undefined;
  target?: string | undefined;
  /** What was done to the user, and to requests and keys of theirs. */
  userId?: string | undefined;
  sinceMs?: number | undefined;
  /** Only older ones than this action. */
  before?: number | undefined;
}

/** What operators did, newest first. @throws {Fault} STORE_UNAVAILABLE */
export async function listActions(
  database: Database,
  { actor, action, target, userId, sinceMs, before }: ActionFilter,
  limit: number,
): Promise<NotedAction[]> {
  const ofArea = `${action}.`;
  const rows = await database.run(
    "list operator actions",
    (sql) => sql<ActionRow[]>`
      select action_id, acted_at, actor, reason, action, target, detail, before, after
      from operator_actions
      where true
        ${actor === undefined ? sql`` : sql`and actor = ${actor}`}
        ${action === undefined ? sql`` : sql`and (action = ${action} or starts_with(action, ${ofArea}))`}
        ${target === undefined ? sql`` : sql`and target = ${target}`}
        ${userId === undefined ? sql`` : sql`and (target = ${userId} or detail ->> 'user_id' = ${userId})`}
        ${sinceMs === undefined ? sql`` : sql`and acted_at >= ${sinceMs}::timestamptz`}
        ${before === undefined ? sql`` : sql`and action_id < ${before}`}
      order by action_id desc
      limit ${limit}`,
  );
  return rows.map(actionOf);
}
