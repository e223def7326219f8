import { Elysia } from "elysia";

import { jsonResponse } from "../json-response.ts";
import { ANY_PROBLEMS, jsonReply } from "../openapi.ts";
import { Health } from "../schemas.ts";
import type { RouteParts } from "./parts.ts";

/**
 * `GET /health/live` never depends on servers; `/health/ready` does, and says no from the announcement of a
 * drain on.
 */
export function healthRoutes({ readiness, isLeaving }: RouteParts) {
  async function ready(): Promise<Response> {
    const checks = { ...(await readiness()), accepting: !isLeaving() };
    const isReady = Object.values(checks).every(Boolean);
    return jsonResponse(
      { status: isReady ? "ready" : "not_ready", checks },
      { status: isReady ? 200 : 503 },
    );
  }

  return new Elysia({ name: "health" })
    .get("/health/live", () => jsonResponse({ status: "live" }), {
      detail: {
        tags: ["Health"],
        summary: "Whether the process runs",
        security: [],
        responses: { ...ANY_PROBLEMS, 200: jsonReply("It does", Health) },
      },
    })
    .get("/health/ready", ready, {
      detail: {
        tags: ["Health"],
        summary: "Whether calls can be served",
        security: [],
        responses: {
          ...ANY_PROBLEMS,
          200: jsonReply("They can", Health),
          503: jsonReply("They cannot", Health),
        },
      },
    });
}
