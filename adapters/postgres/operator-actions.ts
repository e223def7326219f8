import { textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";

/** Something that an operator did to a request, a model or a user. */
export interface OperatorAction {
  /** Who: `user@host`, or what they called themselves. */
  actor: string;
  /** Such as `request.cancel`. */
  action: string;
  /** The id of the request or the user, or the name of the model. */
  target: string;
  detail: Readonly<Record<string, unknown>>;
}

export interface NotedAction extends OperatorAction {
  atMs: number;
}

/** Notes actions for good: the table refuses changes. @throws {Fault} STORE_UNAVAILABLE */
export async function noteActions(
  database: Database,
  actions: readonly OperatorAction[],
): Promise<void> {
  if (actions.length === 0) return;
  await database.run(
    "note operator actions",
    (sql) => sql`
      insert into operator_actions (actor, action, target, detail)
      select actor, action, target, detail
      from unnest(
        ${textArray(actions.map(({ actor }) => actor))}::text[],
        ${textArray(actions.map(({ action }) => action))}::text[],
        ${textArray(actions.map(({ target }) => target))}::text[],
        ${textArray(actions.map(({ detail }) => JSON.stringify(detail)))}::jsonb[]
      ) with ordinality as row (actor, action, target, detail, position)
      order by position`,
  );
}

/** What was done to one target, oldest first. @throws {Fault} STORE_UNAVAILABLE */
export async function actionsOn(
  database: Database,
  target: string,
  limit: number,
): Promise<NotedAction[]> {
  const rows = await database.run(
    "read operator actions",
    (sql) => sql<
      {
        actor: string;
        action: string;
        target: string;
        detail: Record<string, unknown>;
        acted_at: number;
      }[]
    >`
      select actor, action, target, detail, acted_at
      from operator_actions
      where target = ${target}
      order by action_id
      limit ${limit}`,
  );
  return rows.map(({ acted_at: atMs, ...action }) => ({ ...action, atMs }));
}
