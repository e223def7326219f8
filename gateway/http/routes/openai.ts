import type { Static, TSchema } from "@sinclair/typebox";
import { type DocumentDecoration, Elysia } from "elysia";

import { Fault } from "../../../core/faults.ts";
import { type JsonText, memberOf } from "../../../core/json/json-text.ts";
import type { Ask } from "../../../core/request/ask.ts";
import { excessesOf, unknownModelOf } from "../../accept/excesses.ts";
import {
  ChatBody,
  chatAsk,
  CompletionsBody,
  completionsAsk,
  EmbeddingsBody,
  embeddingsAsk,
} from "../../openai/asks.ts";
import { callerLimitSeconds, onDisconnectOf, triesOf } from "../../openai/headers.ts";
import type { DoorCall, HeldRequest } from "../../openai/hold-call.ts";
import { answerOf } from "../../openai/replies.ts";
import type { Principal } from "../../ports.ts";
import { type CheckBody, compileBody, type JsonBody } from "../body.ts";
import { idempotencyKeyOf } from "../headers.ts";
import { jsonResponse } from "../json-response.ts";
import {
  BODY_PROBLEMS,
  CALLER_PROBLEMS,
  IDEMPOTENCY_KEY,
  jsonBody,
  optionalParameter,
  problemReply,
} from "../openapi.ts";
import { rateHeaders } from "../rate-headers.ts";
import type { RouteParts } from "./parts.ts";

type StreamOptions = { include_usage?: boolean | null } | null | undefined;

/** A call that was read: what is asked, and how it is to be answered. */
interface Read {
  call: DoorCall;
  body: JsonText;
}

/** A call whose request is there. */
interface Begun extends Read {
  held: HeldRequest;
}

/** How a route's body is read. */
interface Dialect<Schema extends TSchema> {
  checkBody: CheckBody<Schema>;
  askOf: (value: Static<Schema>, body: JsonText) => Ask;
}

const parameters = [
  optionalParameter(
    "header",
    "Idempotency-Key",
    "Recognises the call whoever repeats it",
    IDEMPOTENCY_KEY,
  ),
  optionalParameter(
    "header",
    "X-Stainless-Retry-Count",
    "Sent by SDKs: a repetition finds the request of the try before",
  ),
  optionalParameter(
    "header",
    "X-Tollgate-On-Disconnect",
    "What becomes of the request when you leave",
    { type: "string", enum: ["cancel", "keep"] },
  ),
];

function docsOf(summary: string, body: NonNullable<DocumentDecoration["requestBody"]>) {
  return {
    tags: ["OpenAI"],
    summary,
    description: "As OpenAI has it: see docs/openai.md for what differs.",
    parameters,
    requestBody: body,
    responses: {
      ...CALLER_PROBLEMS,
      ...BODY_PROBLEMS,
      200: { description: "The answer, with a receipt; or its pieces as server-sent events" },
      404: problemReply("There is no such model"),
      408: problemReply(
        "Not ready yet: SDKs ask again and get the same request. Or the body did not come in time",
      ),
      409: problemReply("It was cancelled"),
      422: problemReply("A field is not valid"),
      429: problemReply("Over quota"),
      502: problemReply("The ML service failed"),
      504: problemReply("It waited too long, or the ML service did"),
    },
  } satisfies DocumentDecoration;
}

/** An unknown model is a 404 here, as SDKs expect it. */
function inDialect(error: unknown): unknown {
  if (!(error instanceof Fault) || error.code !== "MODEL_UNKNOWN") return error;
  return new Fault("MODEL_NOT_FOUND", error.message, { details: error.details, cause: error });
}

/** `POST /v1/chat/completions`, `/v1/completions` and `/v1/embeddings`. */
export function openaiRoutes(parts: RouteParts) {
  const { ports, respond, authenticate, withBody, calls, streams, isDraining } = parts;

  function read<Schema extends TSchema>(
    { headers, signal }: Request,
    principal: Principal,
    { value, text, bytes }: JsonBody,
    { checkBody, askOf }: Dialect<Schema>,
  ): Read {
    const config = ports.config();
    const { openai, models, default_model } = config;
    const ask = askOf(
      checkBody(value, excessesOf(value, config), unknownModelOf(value, config)),
      text,
    );
    const ofModel = models[ask.model ?? default_model]?.on_disconnect;
    const call = {
      principal,
      ask,
      bodyBytes: bytes,
      idempotencyKey: idempotencyKeyOf(headers),
      tries: triesOf(headers),
      onDisconnect: onDisconnectOf(headers, ofModel ?? openai.on_disconnect),
      signal,
    };
    return { call, body: text };
  }

  async function begin<Schema extends TSchema>(
    request: Request,
    dialect: Dialect<Schema>,
  ): Promise<Begun> {
    if (isDraining()) throw new Fault("DRAINING", "this gateway is shutting down; try again");
    const principal = await authenticate(request.headers, "submit");
    return withBody(request, principal.userId, async (json) => {
      const { call, body } = read(request, principal, json, dialect);
      if (call.ask.isStreamed) streams.checkRoom(principal.userId);
      const held = await calls.begin(call).catch((error: unknown) => {
        throw inDialect(error);
      });
      return { call, body, held };
    });
  }

  async function answer({ call, body, held }: Begun, headers: Headers): Promise<Response> {
    if (call.ask.isStreamed) {
      const options = memberOf(body, "stream_options")?.parse() as StreamOptions;
      const includeUsage = options?.include_usage === true;
      return streams.answer(call, held, { headers: headersOf(held), includeUsage });
    }
    const limit = callerLimitSeconds(headers) ?? Number.POSITIVE_INFINITY;
    const seconds = Math.min(ports.config().openai.wait_seconds_max, limit);
    const view = await calls.waitFor(call, held.request, { waitMs: seconds * 1_000 });
    return jsonResponse(answerOf(call.ask.door, view, body), { headers: headersOf(held) });
  }

  function route<Schema extends TSchema>(
    name: string,
    schema: Schema,
    askOf: Dialect<Schema>["askOf"],
  ) {
    const dialect = { checkBody: compileBody(schema), askOf };
    return ({ request }: { request: Request }) =>
      respond(name, async () => answer(await begin(request, dialect), request.headers));
  }

  return new Elysia({ name: "openai" })
    .post("/v1/chat/completions", route("chat_completions", ChatBody, chatAsk), {
      parse: "none",
      detail: docsOf("Answer a chat", jsonBody(ChatBody, CHAT_EXAMPLE)),
    })
    .post("/v1/completions", route("completions", CompletionsBody, completionsAsk), {
      parse: "none",
      detail: docsOf("Go on from a prompt", jsonBody(CompletionsBody, COMPLETIONS_EXAMPLE)),
    })
    .post("/v1/embeddings", route("embeddings", EmbeddingsBody, embeddingsAsk), {
      parse: "none",
      detail: docsOf("Embed texts", jsonBody(EmbeddingsBody, EMBEDDINGS_EXAMPLE)),
    });
}

const CHAT_EXAMPLE = {
  model: "sim-chat",
  messages: [{ role: "user", content: "Why is the sky blue?" }],
};
const COMPLETIONS_EXAMPLE = { model: "sim-completions", prompt: "The sky is" };
const EMBEDDINGS_EXAMPLE = { model: "sim-embeddings", input: "Why is the sky blue?" };

function headersOf({ request, quota }: HeldRequest): Record<string, string> {
  return { "x-request-id": request.requestId, ...(quota === null ? {} : rateHeaders(quota)) };
}
