import { type DocumentDecoration, Elysia } from "elysia";

import { Fault } from "../../../core/faults.ts";
import { GENERATE_EXAMPLE, GenerateBody } from "../../../core/request/generate-body.ts";
import type { Ask } from "../../../core/request/ask.ts";
import type { Waiting } from "../../../core/queue/lane.ts";
import type { AcceptedRequest } from "../../accept/accept.ts";
import { excessesOf, unknownModelOf } from "../../accept/excesses.ts";
import { nativeAsk } from "../../accept/native-ask.ts";
import { compileBody, type JsonBody } from "../body.ts";
import { idempotencyKeyOf } from "../headers.ts";
import { jsonResponse } from "../json-response.ts";
import {
  BODY_PROBLEMS,
  CALLER_PROBLEMS,
  IDEMPOTENCY_KEY,
  jsonBody,
  jsonReply,
  optionalParameter,
  problemReply,
  RATE_HEADERS,
} from "../openapi.ts";
import { quotaFault } from "../quota-fault.ts";
import { rateHeaders } from "../rate-headers.ts";
import { AcceptedReply } from "../schemas.ts";
import { waitingReply } from "../status-reply.ts";
import type { Principal } from "../../ports.ts";
import type { RouteParts } from "./parts.ts";

const DOCS: DocumentDecoration = {
  tags: ["Requests"],
  summary: "Accept a request",
  description: "Returns 202 once the request is durable. Read or wait for its end at `Location`.",
  parameters: [
    optionalParameter(
      "header",
      "Idempotency-Key",
      "A replay (the same key and body again) returns the same id and is charged once",
      IDEMPOTENCY_KEY,
    ),
  ],
  requestBody: jsonBody(GenerateBody, GENERATE_EXAMPLE),
  responses: {
    ...CALLER_PROBLEMS,
    ...BODY_PROBLEMS,
    202: jsonReply("Accepted: durable, held, queued", AcceptedReply, [
      "location",
      "x-request-id",
      "idempotency-replayed",
      ...RATE_HEADERS,
    ]),
    404: problemReply("The key's request is past its retention"),
    422: problemReply("A field is not valid, or the Idempotency-Key was used with another body"),
    429: problemReply("Over quota; `Retry-After` unless it can never fit", [
      "retry-after",
      ...RATE_HEADERS,
    ]),
  },
};

/** The 202. A replay gets the same body as the first call, whatever has become of the request since. */
function acceptedResponse(
  { requestId, model, estimatedTokens }: AcceptedRequest,
  { isStreamed }: Pick<Ask, "isStreamed">,
  waiting: Waiting | null,
  headers: Record<string, string>,
): Response {
  const reply: AcceptedReply = {
    request_id: requestId,
    status: "queued",
    model,
    estimated_tokens: estimatedTokens,
    urls: {
      status: `/status/${requestId}`,
      cancel: `/requests/${requestId}/cancel`,
      ...(isStreamed ? { events: `/status/${requestId}/events` } : {}),
    },
    ...(waiting === null ? {} : { waiting: waitingReply(waiting) }),
  };
  return jsonResponse(reply, {
    status: 202,
    headers: { ...headers, location: reply.urls.status, "x-request-id": requestId },
  });
}

/**
 * `POST /generate` and its alias. Checks in one order: draining, API key, media type, size, JSON, schema,
 * idempotency key; then the work.
 */
export function generateRoute({
  ports,
  respond,
  authenticate,
  withBody,
  accept,
  isDraining,
}: RouteParts) {
  const checkBody = compileBody(GenerateBody);

  async function generate(request: Request): Promise<Response> {
    if (isDraining()) throw new Fault("DRAINING", "this gateway is shutting down; try again");
    const principal = await authenticate(request.headers, "submit");
    return withBody(request, principal.userId, (body) => generateFrom(request, principal, body));
  }

  async function generateFrom(
    request: Request,
    principal: Principal,
    { value, text, bytes }: JsonBody,
  ): Promise<Response> {
    const config = ports.config();
    const ask = nativeAsk(
      checkBody(value, excessesOf(value, config), unknownModelOf(value, config)),
      text,
    );
    const outcome = await accept({
      principal,
      ask,
      bodyBytes: bytes,
      idempotencyKey: idempotencyKeyOf(request.headers),
    });
    switch (outcome.kind) {
      case "accepted":
        return acceptedResponse(outcome.request, ask, outcome.waiting, rateHeaders(outcome.quota));
      case "replay":
        return acceptedResponse(outcome.request, ask, null, { "idempotency-replayed": "true" });
      case "refused":
        throw quotaFault(outcome.quota, outcome.estimatedTokens);
    }
  }

  const handle = ({ request }: { request: Request }) =>
    respond("generate", () => generate(request));
  return new Elysia({ name: "generate" })
    .post("/generate", handle, { parse: "none", detail: DOCS })
    .post("/api/v1/inference", handle, {
      parse: "none",
      detail: { ...DOCS, summary: "Alias of /generate" },
    });
}
