import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { CommandFailure } from "../adapters/terminal/failure.ts";

const CALL_LIMIT_MS = 10_000;
const WAIT_SECONDS = 20;
/** The wait of the gateway and some time for the way. */
const STATUS_LIMIT_MS = (WAIT_SECONDS + 5) * 1_000;
const PROMPT = "In one sentence: what does a tollgate do?";

const AcceptedSchema = t.Object({ request_id: t.String() });
const StatusSchema = t.Object({
  status: t.String(),
  result: t.Optional(t.Object({ choices: t.Array(t.Object({ text: t.String() })) })),
  tokens: t.Object({
    estimated: t.Integer(),
    total: t.Union([t.Integer(), t.Null()]),
    refunded: t.Union([t.Integer(), t.Null()]),
  }),
});

export interface DemoResult {
  requestId: string;
  text: string;
  tokensHeld: number;
  tokensUsed: number;
  tokensGivenBack: number;
}

export const demoBody = (): string => JSON.stringify({ prompt: PROMPT, max_tokens: 64 });

/**
 * One real request through everything, waited for.
 *
 * @throws {CommandFailure} when it is refused, fails or does not end in time
 */
export async function sendDemoRequest(gateway: string, apiKey: string): Promise<DemoResult> {
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const accepted = await fetch(`${gateway}/generate`, {
    method: "POST",
    headers,
    body: demoBody(),
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
  const acceptedBody: unknown = await accepted.json();
  if (accepted.status !== 202 || !Value.Check(AcceptedSchema, acceptedBody)) {
    throw new CommandFailure(
      `the gateway answered the first request with ${accepted.status} ` +
        `${JSON.stringify(acceptedBody)}: see ./tollgate logs gateway`,
    );
  }
  const requestId = acceptedBody.request_id;
  const reply = await fetch(`${gateway}/status/${requestId}?wait=${WAIT_SECONDS}`, {
    headers,
    signal: AbortSignal.timeout(STATUS_LIMIT_MS),
  });
  const status: unknown = await reply.json();
  if (!Value.Check(StatusSchema, status) || status.status !== "completed") {
    throw new CommandFailure(
      `the first request ${requestId} did not complete within ${WAIT_SECONDS} s: ` +
        `${JSON.stringify(status).slice(0, 300)}: see ./tollgate logs`,
    );
  }
  return {
    requestId,
    text: status.result?.choices[0]?.text ?? "",
    tokensHeld: status.tokens.estimated,
    tokensUsed: status.tokens.total ?? 0,
    tokensGivenBack: status.tokens.refunded ?? 0,
  };
}
