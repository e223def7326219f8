import { type Call, getCall } from "../load/calls.ts";
import type { Session } from "./session.ts";

/** A request that the stack has stored, with the key of its user. */
export interface StoredRequest {
  requestId: string;
  userId: string;
  apiKey: string;
}

/** Every request there is, or, of each user, one of those in about every hundredth page of the table. */
export async function storedRequests(
  { stack, users }: Session,
  which: "all" | "one of each user" = "all",
): Promise<StoredRequest[]> {
  const keys = new Map(users.map(({ userId, apiKey }) => [userId, apiKey]));
  const rows = await stack.books.database.run("list requests", (sql) =>
    which === "all"
      ? sql<{ request_id: string; user_id: string }[]>`
          select request_id, user_id
          from requests
          order by request_id`
      : sql<{ request_id: string; user_id: string }[]>`
          select distinct on (user_id) request_id, user_id
          from requests tablesample system (1)
          order by user_id`,
  );
  return rows.map(({ request_id: requestId, user_id: userId }) => ({
    requestId,
    userId,
    apiKey: keys.get(userId) ?? "",
  }));
}

/** `GET /status/{id}` of stored requests. */
export async function statusCalls(...from: Parameters<typeof storedRequests>): Promise<Call[]> {
  const requests = await storedRequests(...from);
  return requests.map(({ requestId, apiKey }) => getCall(`/status/${requestId}`, apiKey));
}
