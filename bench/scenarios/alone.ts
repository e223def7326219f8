import type { GenerateBody } from "../../core/request/generate-body.ts";
import type { Scenario } from "../measure/bench.ts";
import { onStack, type Session } from "../measure/session.ts";
import { statusCalls } from "../measure/stored.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { percentilesOf } from "../statistics.ts";

const QUIET_MS = 60_000;
const ROUNDS = 200;
const WAIT_SECONDS = 10;
const ROUND_LIMIT_MS = 20_000;

/** Resolves with the result. @throws when it is refused or does not come in time */
async function generateAndWait({ stack, users }: Session, body: GenerateBody): Promise<void> {
  const authorization = `Bearer ${users[0]?.apiKey}`;
  const headers = { authorization, "content-type": "application/json" };
  const ask = async (path: string, init: RequestInit, status: number): Promise<unknown> => {
    const signal = AbortSignal.timeout(ROUND_LIMIT_MS);
    const reply = await fetch(`${stack.url}${path}`, { ...init, headers, signal });
    const text = await reply.text();
    if (reply.status !== status) throw new Error(`${path}: ${reply.status} ${text}`);
    return JSON.parse(text);
  };
  const post = { method: "POST", body: JSON.stringify(body) };
  const accepted = (await ask("/generate", post, 202)) as { request_id: string };
  await ask(`/status/${accepted.request_id}?wait=${WAIT_SECONDS}`, {}, 200);
}

export const alone: Scenario = {
  name: "alone",
  about: "concurrency 1: one caller, one call after the other, a model that responds at once",
  part: "full",
  needs: ["wrk"],
  run: onStack({ users: 1, quietWithinMs: QUIET_MS }, async (session) => {
    const bodies = await shortBodies(ROUNDS);
    const pace = { seconds: session.isQuick ? 3 : 10, connections: 1 };
    const accept = await session.load("accept, one at a time", session.generate(bodies), pace);
    session.figure("accept, one at a time, p50", "ms", accept.latencyMs.p50);
    await session.stack.books.untilQuiet(QUIET_MS);
    const files = session.calls(await statusCalls(session));
    const read = await session.load("status, one at a time", files, { ...pace, status: 200 });
    session.figure("status, one at a time, p50", "ms", read.latencyMs.p50);

    const whole: number[] = [];
    for (const body of bodies) {
      const startedAt = performance.now();
      await generateAndWait(session, body);
      whole.push(performance.now() - startedAt);
    }
    const { p50, p99 } = percentilesOf(Float64Array.from(whole));
    session.figure("from the call to the completed result, p50", "ms", p50);
    session.figure("from the call to the completed result, p99", "ms", p99);
  }),
};
