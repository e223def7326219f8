import { PRIORITIES, type Priority } from "../../core/queue/fair-order.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Page } from "../../core/request/stored-request.ts";

/** As the columns `priority` store a class. */
export const priorityNumber = (priority: Priority): number => PRIORITIES.indexOf(priority);
export const priorityOf = (stored: number): Priority => PRIORITIES[stored] ?? "normal";

/** The columns of `requests` that make a `RequestHead`. */
export const HEAD_COLUMNS = [
  "request_id",
  "user_id",
  "model",
  "window_day",
  "estimated_tokens",
  "created_at",
  "expires_at",
] as const;

/** The columns of `requests` that make an `OpenRow`. */
export const OPEN_COLUMNS = [...HEAD_COLUMNS, "prompt", "priority"] as const;

export interface OpenRow {
  request_id: string;
  user_id: string;
  model: string;
  window_day: string;
  estimated_tokens: number;
  created_at: number;
  expires_at: number;
  prompt: Buffer;
  /** null: normal. */
  priority: number | null;
}

/**
 * The request as its first attempt is published: attempts are counted in the messages, a queued row knows of
 * none.
 */
export function queuedOf(row: OpenRow): QueuedRequest {
  return {
    head: {
      requestId: row.request_id,
      userId: row.user_id,
      model: row.model,
      windowDay: row.window_day,
      estimatedTokens: row.estimated_tokens,
      createdAtMs: row.created_at,
      expiresAtMs: row.expires_at,
    },
    attempt: 1,
    payload: row.prompt,
    ...(row.priority !== null && { priority: priorityOf(row.priority) }),
  };
}

/** Below every id. */
export const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** A page from rows in the order of `idOf`, of which at most `limit` were asked for. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  idOf: (row: Row) => string,
  itemOf: (row: Row) => Item,
): Page<Item> {
  const last = rows.at(-1);
  return {
    items: rows.map(itemOf),
    next: last !== undefined && rows.length === limit ? idOf(last) : null,
  };
}
