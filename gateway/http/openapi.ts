import type { Static, TSchema } from "@sinclair/typebox";
import type { DocumentDecoration } from "elysia";

import { EXAMPLES } from "./examples.ts";
import { Problem } from "./schemas.ts";

type Responses = NonNullable<DocumentDecoration["responses"]>;
type DocumentedResponse = Responses[string];

/** A TypeBox schema is a JSON schema; only the types of the OpenAPI package do not know. */
const asSchema = (schema: TSchema): Record<string, unknown> => schema;

type SchemaObject = Exclude<NonNullable<DocumentedHeader["schema"]>, { $ref: string }>;
type DocumentedHeader = Exclude<
  NonNullable<Exclude<DocumentedResponse, { $ref: string }>["headers"]>[string],
  { $ref: string }
>;

const header = (description: string, schema: SchemaObject): DocumentedHeader => ({
  description,
  schema,
});
const SECONDS: SchemaObject = { type: "integer", minimum: 0 };
const COUNT: SchemaObject = { type: "integer", minimum: 0 };
const TEXT: SchemaObject = { type: "string" };
const DURATION: SchemaObject = { type: "string", pattern: "^([0-9]+h)?([0-9]+m)?[0-9]+s$" };

const HEADERS = {
  "x-request-id": header("The id of the request", { type: "string", format: "uuid" }),
  location: header("Where to read the request", TEXT),
  "retry-after": header("Seconds until the call is worth repeating", SECONDS),
  "x-should-retry": header("`false`: SDKs must not repeat the call", {
    type: "string",
    enum: ["false"],
  }),
  "idempotency-replayed": header("`true`: a replay", { type: "string", enum: ["true"] }),
  "preference-applied": header("The wait of `Prefer`", TEXT),
  "www-authenticate": header("How to send a key", TEXT),
  "accept-encoding": header("Encodings that a body may have", TEXT),
  ratelimit: header("What is left of each window", TEXT),
  "ratelimit-policy": header("The limits of each window", TEXT),
  "x-ratelimit-limit-requests": header("Of the window with the least left", COUNT),
  "x-ratelimit-limit-tokens": header("Of the window with the least left", COUNT),
  "x-ratelimit-remaining-requests": header("Of the window with the least left", COUNT),
  "x-ratelimit-remaining-tokens": header("Of the window with the least left", COUNT),
  "x-ratelimit-reset-requests": header("Until it starts anew", DURATION),
  "x-ratelimit-reset-tokens": header("Until it starts anew", DURATION),
} as const satisfies Record<string, DocumentedHeader>;
type HeaderName = keyof typeof HEADERS;

/** The state of the caller's quota. */
export const RATE_HEADERS = (Object.keys(HEADERS) as HeaderName[]).filter((name) =>
  name.includes("ratelimit"),
);

const documented = (names: readonly HeaderName[]): Record<string, DocumentedHeader> =>
  Object.fromEntries(names.map((name) => [name, HEADERS[name]]));

/** A JSON reply with the headers that it may have, for the OpenAPI document. */
export const jsonReply = (
  description: string,
  schema: TSchema,
  headers: readonly HeaderName[] = [],
): DocumentedResponse => ({
  description,
  headers: documented(headers),
  content: { "application/json": { schema: asSchema(schema), ...exampleOf(schema) } },
});

function exampleOf(schema: TSchema): { example?: unknown } {
  const example = EXAMPLES.get(schema);
  return example === undefined ? {} : { example };
}

/** A problem document with the headers that it may have, for the OpenAPI document. */
export const problemReply = (
  description: string,
  headers: readonly HeaderName[] = [],
): DocumentedResponse => ({
  description,
  headers: documented(["x-should-retry", ...headers]),
  content: { "application/problem+json": { schema: asSchema(Problem), ...exampleOf(Problem) } },
});

/** What every route may return. */
export const ANY_PROBLEMS = {
  400: problemReply("The Host is not valid"),
  500: problemReply("Tollgate failed"),
} as const satisfies Responses;

/** What every route that needs a key may return. */
export const CALLER_PROBLEMS = {
  ...ANY_PROBLEMS,
  401: problemReply("No valid key", ["www-authenticate"]),
  403: problemReply("The key may not be used for this"),
  503: problemReply("A server does not answer; nothing was taken", ["retry-after"]),
} as const satisfies Responses;

/** What every route that takes a body may return besides. */
export const BODY_PROBLEMS = {
  400: problemReply("Not JSON in UTF-8, or the Host is not valid"),
  408: problemReply("The body did not come in time"),
  413: problemReply("Body too large"),
  415: problemReply("Not application/json, or an encoding that is not taken", ["accept-encoding"]),
} as const satisfies Responses;

/** The body of a route, for the OpenAPI document: the schema that also checks it, and a value that fits. */
export const jsonBody = <Schema extends TSchema>(
  schema: Schema,
  example: Static<Schema>,
): NonNullable<DocumentDecoration["requestBody"]> => ({
  required: true,
  content: { "application/json": { schema: asSchema(schema), example } },
});

export const pathId = {
  name: "id",
  in: "path",
  required: true,
  schema: { type: "string", format: "uuid" },
} as const;

/** The schema of an `Idempotency-Key`. */
export const IDEMPOTENCY_KEY = {
  type: "string",
  minLength: 1,
  maxLength: 255,
  pattern: "\\S",
} as const;

/** An optional query parameter or header. */
export const optionalParameter = (
  where: "query" | "header",
  name: string,
  description: string,
  schema: SchemaObject = TEXT,
) => ({
  name,
  in: where,
  required: false,
  description,
  schema,
});

export interface DocumentedRoute {
  method: string;
  path: string;
  hooks?: { detail?: { parameters?: unknown } };
}

/**
 * Gives every operation the parameters of its route again: the plugin keeps none but those of the path where
 * a path has some, and forgets their format.
 */
export function withAllParameters(document: unknown, routes: readonly DocumentedRoute[]): unknown {
  const { paths } = document as { paths: Record<string, Record<string, { parameters?: unknown }>> };
  for (const { method, path, hooks } of routes) {
    const operation = paths[path.replaceAll(/:(\w+)/g, "{$1}")]?.[method.toLowerCase()];
    const parameters = hooks?.detail?.parameters;
    if (operation !== undefined && parameters !== undefined) operation.parameters = parameters;
  }
  return document;
}
