import { type DocumentDecoration, Elysia } from "elysia";

import { isTerminal } from "../../../core/request/request.ts";
import { waitOf } from "../headers.ts";
import { jsonResponse } from "../json-response.ts";
import { CALLER_PROBLEMS, jsonReply, optionalParameter, pathId, problemReply } from "../openapi.ts";
import { requestIdOf } from "../request-id.ts";
import { StatusReply } from "../schemas.ts";
import { statusReply } from "../status-reply.ts";
import type { RouteParts } from "./parts.ts";

const DOCS: DocumentDecoration = {
  tags: ["Requests"],
  summary: "Read a request, now or when it has ended",
  parameters: [
    pathId,
    optionalParameter("query", "wait", "Seconds to wait for the end of the request", {
      type: "integer",
      minimum: 0,
      maximum: 50,
    }),
    optionalParameter("header", "Prefer", "`wait=N`: as ?wait=N (RFC 7240)", {
      type: "string",
      pattern: "^wait=[0-9]{1,6}$",
    }),
  ],
  responses: {
    200: jsonReply("Its present state; `Retry-After` when it has not ended", StatusReply, [
      "x-request-id",
      "retry-after",
      "preference-applied",
    ]),
    404: problemReply("Unknown, or not yours"),
    422: problemReply("The wait is not valid"),
    ...CALLER_PROBLEMS,
  },
};

/** Seconds after which a caller who polls should come back. */
const POLL_SECONDS = "1";

/** `GET /status/{id}`: returns at once, or waits until the request has ended or the wait is over. */
export function statusRoute({ ports, respond, authenticate, status, isDraining }: RouteParts) {
  async function readStatus(request: Request, id: string): Promise<Response> {
    const principal = await authenticate(request.headers, "read");
    const { userId, tier } = principal;
    const lookup = { requestId: requestIdOf(id), userId, tier };
    const query = new URL(request.url).searchParams.get("wait");
    const wait = waitOf(
      query,
      request.headers.get("prefer"),
      ports.config().gateway.wait_seconds_max,
    );
    const view =
      wait.seconds > 0 && !isDraining()
        ? await status.readAfter(lookup, wait.seconds * 1_000, request.signal)
        : await status.read(lookup);
    const headers: Record<string, string> = {
      "cache-control": "no-store",
      "x-request-id": view.requestId,
    };
    if (wait.preferred) headers["preference-applied"] = `wait=${wait.seconds}`;
    if (!isTerminal(view.state)) headers["retry-after"] = POLL_SECONDS;
    return jsonResponse(statusReply(view), { headers });
  }

  return new Elysia({ name: "status" }).get(
    "/status/:id",
    ({ request, params }) => respond("status", () => readStatus(request, params.id)),
    { detail: DOCS },
  );
}
