import { type DocumentDecoration, Elysia } from "elysia";

import { GENERATE_EXAMPLE, GenerateBody } from "../../../core/request/generate-body.ts";
import { excessesOf, unknownModelOf } from "../../accept/excesses.ts";
import { nativeAsk } from "../../accept/native-ask.ts";
import { checkModel } from "../../accept/key-scopes.ts";
import { estimateOf, planRequest } from "../../accept/plan.ts";
import { planTurn } from "../../accept/turn.ts";
import { compileBody, type JsonBody } from "../body.ts";
import { jsonResponse } from "../json-response.ts";
import {
  BODY_PROBLEMS,
  CALLER_PROBLEMS,
  jsonBody,
  jsonReply,
  problemReply,
  RATE_HEADERS,
} from "../openapi.ts";
import { explainReply, quotaReply } from "../quota-reply.ts";
import { rateHeaders } from "../rate-headers.ts";
import { ExplainReply, QuotaReply } from "../schemas.ts";
import type { Principal } from "../../ports.ts";
import type { RouteParts } from "./parts.ts";

const QUOTA_DOCS: DocumentDecoration = {
  tags: ["Quota"],
  summary: "What is used and left of your quota",
  responses: {
    200: jsonReply("The present windows", QuotaReply, RATE_HEADERS),
    ...CALLER_PROBLEMS,
  },
};

const EXPLAIN_DOCS: DocumentDecoration = {
  tags: ["Quota"],
  summary: "Would this request fit, and if not, when?",
  description: "Checks a body like `/generate` and takes nothing.",
  requestBody: jsonBody(GenerateBody, GENERATE_EXAMPLE),
  responses: {
    ...CALLER_PROBLEMS,
    ...BODY_PROBLEMS,
    200: jsonReply("Whether it fits now", ExplainReply),
    422: problemReply("A field is not valid"),
    429: problemReply("Your calls under way have too large bodies", ["retry-after"]),
  },
};

/** `GET /quota` and `POST /quota/explain`. */
export function quotaRoutes({ ports, respond, authenticate, withBody }: RouteParts) {
  const checkBody = compileBody(GenerateBody);

  async function readQuota(request: Request): Promise<Response> {
    const { userId } = await authenticate(request.headers, "read");
    const snapshot = await ports.readQuota(userId);
    const headers = { ...rateHeaders(snapshot), "cache-control": "no-store" };
    return jsonResponse(quotaReply(snapshot), { headers });
  }

  async function explain(request: Request): Promise<Response> {
    const principal = await authenticate(request.headers, "read");
    return withBody(request, principal.userId, (body) => explainFrom(principal, body));
  }

  async function explainFrom(principal: Principal, { value, text }: JsonBody): Promise<Response> {
    const config = ports.config();
    const body = checkBody(value, excessesOf(value, config), unknownModelOf(value, config));
    const plan = planRequest(nativeAsk(body, text), config);
    checkModel(principal, plan.model);
    planTurn(plan, principal.tier, ports.now(), config);
    const tokens = await estimateOf(plan, ports.countTokens);
    return jsonResponse(explainReply(await ports.readQuota(principal.userId), tokens));
  }

  return new Elysia({ name: "quota" })
    .get("/quota", ({ request }) => respond("quota", () => readQuota(request)), {
      detail: QUOTA_DOCS,
    })
    .post("/quota/explain", ({ request }) => respond("quota_explain", () => explain(request)), {
      parse: "none",
      detail: EXPLAIN_DOCS,
    });
}
