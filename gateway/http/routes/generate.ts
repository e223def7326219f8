import { type DocumentDecoration, Elysia } from "elysia";

import { Fault } from "../../../core/faults.ts";
import { compileBody, readJson } from "../body.ts";
import { idempotencyOf } from "../../accept/idempotency.ts";
import { jsonResponse } from "../json-response.ts";
import {
  CALLER_PROBLEMS,
  jsonBody,
  jsonReply,
  optionalParameter,
  problemReply,
} from "../openapi.ts";
import { AcceptedReply } from "../schemas.ts";
import { GENERATE_EXAMPLE, GenerateBody } from "../../../core/generate-body.ts";
import type { RouteParts } from "./parts.ts";

const DOCS: DocumentDecoration = {
  tags: ["Requests"],
  summary: "Accept a request",
  description: "Answers 202 once the request is durable. Read or wait for its end at `Location`.",
  parameters: [
    optionalParameter(
      "header",
      "Idempotency-Key",
      "A repeat with the same key and body answers the same id and is charged once",
    ),
  ],
  requestBody: jsonBody(GenerateBody, GENERATE_EXAMPLE),
  responses: {
    202: jsonReply("Accepted: durable, held, queued", AcceptedReply),
    400: problemReply("Not JSON"),
    413: problemReply("Body too large"),
    415: problemReply("Not application/json"),
    422: problemReply("A field is not valid, or the Idempotency-Key was used with another body"),
    429: problemReply("Over quota; `Retry-After` unless it can never fit"),
    ...CALLER_PROBLEMS,
  },
};

/** `POST /generate` and its alias. Checks in one order: draining, key, media type, size, JSON, schema; then the work. */
export function generateRoute({ ports, answer, authenticate, accept, isDraining }: RouteParts) {
  const checkBody = compileBody(GenerateBody);

  async function generate(request: Request): Promise<Response> {
    if (isDraining()) throw new Fault("DRAINING", "this gateway is shutting down; try again");
    const principal = await authenticate(request.headers);
    const { value, bytes } = await readJson(request, ports.config().gateway.body_bytes_max);
    const body = checkBody(value);
    const idempotency = idempotencyOf(request.headers, principal, body, ports.hashKey);
    const { reply, headers } = await accept(bytes, principal, body, idempotency);
    return jsonResponse(reply, {
      status: 202,
      headers: { ...headers, location: reply.urls.status },
    });
  }

  const handle = ({ request }: { request: Request }) => answer("generate", () => generate(request));
  return new Elysia({ name: "generate" })
    .post("/generate", handle, { parse: "none", detail: DOCS })
    .post("/api/v1/inference", handle, {
      parse: "none",
      detail: { ...DOCS, summary: "Alias of /generate" },
    });
}
