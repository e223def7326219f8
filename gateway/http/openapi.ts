import type { Static, TSchema } from "@sinclair/typebox";
import type { DocumentDecoration } from "elysia";

import { Problem } from "./schemas.ts";

type Responses = NonNullable<DocumentDecoration["responses"]>;
type DocumentedResponse = Responses[string];

/** A TypeBox schema is a JSON schema; only the types of the OpenAPI package do not know. */
const asSchema = (schema: TSchema): Record<string, unknown> => schema;

/** A JSON reply, for the OpenAPI document. */
export const jsonReply = (description: string, schema: TSchema): DocumentedResponse => ({
  description,
  content: { "application/json": { schema: asSchema(schema) } },
});

/** A problem document, for the OpenAPI document. */
export const problemReply = (description: string): DocumentedResponse => ({
  description,
  content: { "application/problem+json": { schema: asSchema(Problem) } },
});

/** What every route that needs a key may return. */
export const CALLER_PROBLEMS = {
  401: problemReply("No valid key"),
  503: problemReply("A server does not answer; nothing was taken"),
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

/** An optional query parameter or header. */
export const optionalParameter = (
  where: "query" | "header",
  name: string,
  description: string,
) => ({
  name,
  in: where,
  required: false,
  description,
  schema: { type: "string" as const },
});
