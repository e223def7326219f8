import { callHere, type CallerTls } from "../adapters/process/direct.ts";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { describeError } from "../adapters/terminal/failure.ts";

const CALL_LIMIT_MS = 10_000;
const WAIT_SECONDS = 20;
/** The wait of the gateway and some time for the way. */
const STATUS_LIMIT_MS = (WAIT_SECONDS + 5) * 1_000;
const PROMPT = "In one sentence: what does a tollgate do?";

const AcceptedSchema = t.Object({ request_id: t.String() });
const StatusSchema = t.Object({
  status: t.String(),
  result: t.Optional(t.Object({ choices: t.Array(t.Object({ text: t.String() })) })),
  error: t.Optional(t.Object({ code: t.String(), message: t.String() })),
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

/** What came of the first request. Nothing that it meets says that the stack does not run. */
export type DemoOutcome =
  | ({ kind: "completed" } & DemoResult)
  /** `what` and why, in words. */
  | { kind: "not-completed"; what: string };

export const demoBody = (): string => JSON.stringify({ prompt: PROMPT, max_tokens: 64 });

/** A gateway as one caller sees it. */
interface Door {
  gateway: string;
  apiKey: string;
  tls?: CallerTls;
}

/**
 * One real request through everything, waited for. One that has not ended in time is cancelled, so that
 * nothing is left behind. Never throws.
 */
export async function sendDemoRequest(
  door: Door,
  waitSeconds: number = WAIT_SECONDS,
): Promise<DemoOutcome> {
  try {
    return await sendAndWait(door, waitSeconds);
  } catch (error) {
    return notCompleted(`the gateway does not answer: ${describeError(error)}`);
  }
}

const notCompleted = (what: string): DemoOutcome => ({ kind: "not-completed", what });

async function sendAndWait(
  { gateway, apiKey, tls }: Door,
  waitSeconds: number,
): Promise<DemoOutcome> {
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const accepted = await fetch(`${gateway}/generate`, {
    ...callHere(tls),
    method: "POST",
    headers,
    body: demoBody(),
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
  const acceptedBody: unknown = await accepted.json();
  if (accepted.status !== 202 || !Value.Check(AcceptedSchema, acceptedBody))
    return notCompleted(`it was refused with ${accepted.status} ${JSON.stringify(acceptedBody)}`);

  const requestId = acceptedBody.request_id;
  const reply = await fetch(`${gateway}/status/${requestId}?wait=${waitSeconds}`, {
    ...callHere(tls),
    headers,
    signal: AbortSignal.timeout(STATUS_LIMIT_MS),
  });
  const status: unknown = await reply.json();
  if (!Value.Check(StatusSchema, status))
    return notCompleted(`its status is ${reply.status} ${JSON.stringify(status).slice(0, 300)}`);
  if (status.status === "queued" || status.status === "in_progress") {
    await cancel(`${gateway}/requests/${requestId}/cancel`, headers, tls);
    return notCompleted(`${requestId} has not ended within ${waitSeconds} s, and is cancelled`);
  }
  if (status.status !== "completed") {
    const { code, message } = status.error ?? { code: status.status, message: "" };
    return notCompleted(`${requestId} is ${status.status}: ${message} (${code})`);
  }
  return {
    kind: "completed",
    requestId,
    text: status.result?.choices[0]?.text ?? "",
    tokensHeld: status.tokens.estimated,
    tokensUsed: status.tokens.total ?? 0,
    tokensGivenBack: status.tokens.refunded ?? 0,
  };
}

/** It may have ended meanwhile, which is as well. */
async function cancel(url: string, headers: Record<string, string>, tls: CallerTls): Promise<void> {
  try {
    const signal = AbortSignal.timeout(CALL_LIMIT_MS);
    const reply = await fetch(url, { ...callHere(tls), method: "POST", headers, signal });
    await reply.body?.cancel();
  } catch {
    // Then it ends by itself some time, and harms nobody.
  }
}
