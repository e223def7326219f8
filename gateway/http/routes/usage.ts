import { type DocumentDecoration, Elysia } from "elysia";

import type { Usage } from "../../../core/quota/usage.ts";
import { readUsage } from "../../read/usage.ts";
import { jsonResponse } from "../json-response.ts";
import { CALLER_PROBLEMS, jsonReply, optionalParameter, problemReply } from "../openapi.ts";
import { oneOf, queryOf } from "../parameters.ts";
import { UsageReply } from "../schemas.ts";
import type { RouteParts } from "./parts.ts";

const DAY = { type: "string", format: "date" } as const;

const DOCS: DocumentDecoration = {
  tags: ["Quota"],
  summary: "What you were billed, from the ledger",
  description:
    "A request counts on the UTC day it was accepted. Days and models without an execution are left out.",
  parameters: [
    optionalParameter(
      "query",
      "from",
      "First UTC day, YYYY-MM-DD; default: the month's first",
      DAY,
    ),
    optionalParameter("query", "to", "Last UTC day, YYYY-MM-DD; default: today", DAY),
    optionalParameter("query", "by", "What each row sums up", {
      type: "string",
      enum: ["day", "model"],
      default: "day",
    }),
  ],
  responses: {
    200: jsonReply("Sums by day or model, and their total", UsageReply),
    422: problemReply("A parameter is not valid"),
    ...CALLER_PROBLEMS,
  },
};

const sumsOf = (usage: Omit<Usage, "key">) => ({
  requests: usage.requests,
  failed_requests: usage.failedRequests,
  prompt_tokens: usage.promptTokens,
  completion_tokens: usage.completionTokens,
  total_tokens: usage.totalTokens,
  cached_tokens: usage.cachedTokens,
  reasoning_tokens: usage.reasoningTokens,
});

/** `GET /usage`. */
export function usageRoute({ ports, respond, authenticate }: RouteParts) {
  async function usage(request: Request): Promise<Response> {
    const { userId } = await authenticate(request.headers, "read");
    const query = queryOf(request.url, ["from", "to", "by"]);
    const by = oneOf("by", query.by ?? "day", ["day", "model"]);
    const report = await readUsage(ports, { userId, from: query.from, to: query.to, by });
    const reply: UsageReply = {
      from: report.from,
      to: report.to,
      by,
      data: report.rows.map((row) => ({ [by]: row.key, ...sumsOf(row) })),
      total: sumsOf(report.total),
    };
    return jsonResponse(reply, { headers: { "cache-control": "no-store" } });
  }

  return new Elysia({ name: "usage" }).get(
    "/usage",
    ({ request }) => respond("usage", () => usage(request)),
    { detail: DOCS },
  );
}
