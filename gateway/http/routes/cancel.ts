import { type DocumentDecoration, Elysia } from "elysia";

import { isTerminal } from "../../../core/request/request.ts";
import { jsonResponse } from "../json-response.ts";
import { CALLER_PROBLEMS, jsonReply, pathId, problemReply } from "../openapi.ts";
import { requestIdOf } from "../request-id.ts";
import { CancellingReply, StatusReply } from "../schemas.ts";
import { statusReply } from "../status-reply.ts";
import type { RouteParts } from "./parts.ts";

const DOCS: DocumentDecoration = {
  tags: ["Requests"],
  summary: "Cancel a request",
  description:
    "Queued: ends at once, nothing is billed. " +
    "Executing: its worker breaks off the call of the ML service, and what was used is billed.",
  parameters: [pathId],
  responses: {
    200: jsonReply("Cancelled", StatusReply, ["x-request-id"]),
    202: jsonReply("Its worker is breaking off; read the end at `Location`", CancellingReply, [
      "x-request-id",
      "location",
      "retry-after",
    ]),
    404: problemReply("Unknown, or not yours"),
    409: problemReply("It has already ended; `state` says how", ["x-request-id"]),
    ...CALLER_PROBLEMS,
  },
};

/**
 * A worker that hears of a cancel breaks off within milliseconds; a caller need not wait for one that does
 * not.
 */
const CANCEL_WAIT_MS = 2_000;

/** `POST /requests/{id}/cancel`. */
export function cancelRoute({ respond, authenticate, cancel, isDraining }: RouteParts) {
  async function cancelRequest(request: Request, id: string): Promise<Response> {
    const { userId, tier } = await authenticate(request.headers, "cancel");
    const waitMs = isDraining() ? 0 : CANCEL_WAIT_MS;
    const lookup = { requestId: requestIdOf(id), userId, tier };
    const view = await cancel(lookup, waitMs, request.signal);
    const reply = statusReply(view);
    const headers = { "x-request-id": view.requestId };
    if (isTerminal(view.state)) return jsonResponse(reply, { headers });
    return jsonResponse(
      { ...reply, cancelling: true },
      {
        status: 202,
        headers: { ...headers, location: `/status/${view.requestId}`, "retry-after": "1" },
      },
    );
  }

  return new Elysia({ name: "cancel" }).post(
    "/requests/:id/cancel",
    ({ request, params }) => respond("cancel", () => cancelRequest(request, params.id)),
    { parse: "none", detail: DOCS },
  );
}
