import { type DocumentDecoration, Elysia } from "elysia";

import { invalidParameter } from "../../../core/faults.ts";
import { REQUEST_STATES } from "../../../core/request/request.ts";
import { jsonResponse } from "../json-response.ts";
import { CALLER_PROBLEMS, jsonReply, optionalParameter, problemReply } from "../openapi.ts";
import { oneOf, queryOf } from "../parameters.ts";
import { isUuid } from "../request-id.ts";
import { ListReply } from "../schemas.ts";
import { statusReply } from "../status-reply.ts";
import type { RouteParts } from "./parts.ts";

const LIMIT_MAX = 100;
const LIMIT_DEFAULT = 20;

const DOCS: DocumentDecoration = {
  tags: ["Requests"],
  summary: "List your requests, newest first",
  description:
    "Without results. With `status=queued` or `in_progress` a page may have fewer than `limit`: go on " +
    "while `has_more`.",
  parameters: [
    optionalParameter("query", "limit", "Most requests of a page", {
      type: "integer",
      minimum: 1,
      maximum: LIMIT_MAX,
      default: LIMIT_DEFAULT,
    }),
    optionalParameter("query", "after", "`next` of the page before, or any request id", {
      type: "string",
      format: "uuid",
    }),
    optionalParameter("query", "status", "Only requests in this state", {
      type: "string",
      enum: [...REQUEST_STATES],
    }),
  ],
  responses: {
    200: jsonReply("A page", ListReply),
    422: problemReply("A parameter is not valid"),
    ...CALLER_PROBLEMS,
  },
};

function limitOf(given: string | undefined): number {
  if (given === undefined) return LIMIT_DEFAULT;
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > LIMIT_MAX)
    throw invalidParameter("limit", `must be a whole number from 1 to ${LIMIT_MAX}`);
  return limit;
}

function afterOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (!isUuid(given)) throw invalidParameter("after", "must be a request id");
  return given.toLowerCase();
}

/** `GET /requests`. */
export function requestsRoute({ respond, authenticate, listRequests }: RouteParts) {
  async function list(request: Request): Promise<Response> {
    const { userId, tier } = await authenticate(request.headers, "read");
    const query = queryOf(request.url, ["limit", "after", "status"]);
    const { items, next } = await listRequests({
      userId,
      tier,
      limit: limitOf(query.limit),
      after: afterOf(query.after),
      status:
        query.status === undefined ? undefined : oneOf("status", query.status, REQUEST_STATES),
    });
    const reply = { data: items.map(statusReply), has_more: next !== null, next };
    return jsonResponse(reply, { headers: { "cache-control": "no-store" } });
  }

  return new Elysia({ name: "requests" }).get(
    "/requests",
    ({ request }) => respond("requests", () => list(request)),
    { detail: DOCS },
  );
}
