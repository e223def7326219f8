import { type DocumentDecoration, Elysia } from "elysia";

import { jsonResponse } from "../json-response.ts";
import { CALLER_PROBLEMS, jsonReply, optionalParameter, problemReply } from "../openapi.ts";
import { oneOf, queryOf } from "../parameters.ts";
import { UsageReply } from "../schemas.ts";
import { periodOf } from "../../read/usage-period.ts";
import type { RouteParts } from "./parts.ts";
import type { Usage } from "../../../core/usage.ts";

const DOCS: DocumentDecoration = {
  tags: ["Quota"],
  summary: "What you were billed, from the ledger",
  description:
    "A request counts on the UTC day it was accepted. Days and models without a bill are left out.",
  parameters: [
    optionalParameter("query", "from", "First UTC day, YYYY-MM-DD; default: the month's first"),
    optionalParameter("query", "to", "Last UTC day, YYYY-MM-DD; default: today"),
    optionalParameter("query", "by", "`day` (default) or `model`"),
  ],
  responses: {
    200: jsonReply("Sums by day or model, and their total", UsageReply),
    422: problemReply("A parameter is not valid"),
    ...CALLER_PROBLEMS,
  },
};

const sumsOf = ({ requests, promptTokens, completionTokens, totalTokens }: Omit<Usage, "key">) => ({
  requests,
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: totalTokens,
});

function totalOf(rows: readonly Usage[]): UsageReply["total"] {
  const sum = { requests: 0, promptTokens: 0, completionTokens: 0, totalTokens: 0 };
  for (const row of rows) {
    sum.requests += row.requests;
    sum.promptTokens += row.promptTokens;
    sum.completionTokens += row.completionTokens;
    sum.totalTokens += row.totalTokens;
  }
  return sumsOf(sum);
}

/** `GET /usage`. */
export function usageRoute({ ports, answer, authenticate }: RouteParts) {
  async function readUsage(request: Request): Promise<Response> {
    const { userId } = await authenticate(request.headers);
    const query = queryOf(request.url, ["from", "to", "by"]);
    const by = oneOf("by", query.by ?? "day", ["day", "model"]);
    const period = periodOf(query.from, query.to, ports.now());
    const rows = await ports.readUsage({ userId, ...period, by });
    const reply: UsageReply = {
      ...period,
      by,
      data: rows.map((row) => ({ [by]: row.key, ...sumsOf(row) })),
      total: totalOf(rows),
    };
    return jsonResponse(reply, { headers: { "cache-control": "no-store" } });
  }

  return new Elysia({ name: "usage" }).get(
    "/usage",
    ({ request }) => answer("usage", () => readUsage(request)),
    { detail: DOCS },
  );
}
