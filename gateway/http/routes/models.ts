import { Type as t } from "@sinclair/typebox";
import { type DocumentDecoration, Elysia } from "elysia";

import { Fault } from "../../../core/faults.ts";
import { mayUse } from "../../accept/key-scopes.ts";
import { jsonResponse } from "../json-response.ts";
import { CALLER_PROBLEMS, jsonReply, problemReply } from "../openapi.ts";
import type { RouteParts } from "./parts.ts";

const Model = t.Object({
  id: t.String(),
  object: t.Literal("model"),
  created: t.Integer({ description: "Not known: 0." }),
  owned_by: t.String(),
});
const ModelList = t.Object({ object: t.Literal("list"), data: t.Array(Model) });

const modelOf = (id: string) => ({ id, object: "model", created: 0, owned_by: "tollgate" });

const LIST_DOCS: DocumentDecoration = {
  tags: ["OpenAI"],
  summary: "The models that there are",
  responses: {
    200: jsonReply("Those that the key may be used for", ModelList),
    ...CALLER_PROBLEMS,
  },
};
const ONE_DOCS: DocumentDecoration = {
  tags: ["OpenAI"],
  summary: "One model",
  parameters: [
    {
      name: "id",
      in: "path",
      required: true,
      description: "Its name; a slash in it is written %2F",
      schema: { type: "string", minLength: 1 },
    },
  ],
  responses: {
    200: jsonReply("There is one", Model),
    404: problemReply("There is no such model"),
    ...CALLER_PROBLEMS,
  },
};

/** `GET /v1/models` and `/v1/models/{id}`. */
export function modelsRoutes({ ports, respond, authenticate }: RouteParts) {
  async function list(request: Request): Promise<Response> {
    const principal = await authenticate(request.headers, "read");
    const models = Object.keys(ports.config().models);
    const data = models.filter((id) => mayUse(principal, id)).map(modelOf);
    return jsonResponse({ object: "list", data });
  }

  async function one(request: Request, id: string): Promise<Response> {
    const principal = await authenticate(request.headers, "read");
    if (!Object.hasOwn(ports.config().models, id) || !mayUse(principal, id))
      throw new Fault("MODEL_NOT_FOUND", "GET /v1/models lists those that there are");
    return jsonResponse(modelOf(id));
  }

  return new Elysia({ name: "models" })
    .get("/v1/models", ({ request }) => respond("models", () => list(request)), {
      detail: LIST_DOCS,
    })
    .get(
      "/v1/models/:id",
      ({ request, params }) => respond("models", () => one(request, params.id)),
      {
        detail: ONE_DOCS,
      },
    );
}
