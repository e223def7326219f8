import type { GenerateBody } from "../../core/request/generate-body.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { percentilesOf } from "../statistics.ts";
import { storedRequests } from "./status.ts";
import { statusCalls } from "../load/calls.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const QUIET_MS = 60_000;
const ROUNDS = 200;
const WAIT_SECONDS = 10;
const ROUND_LIMIT_MS = 20_000;

/** Resolves with the result. @throws when it is refused or does not come in time */
async function generateAndWait({ stack, users }: Session, body: GenerateBody): Promise<void> {
  const headers = {
    authorization: `Bearer ${users[0]?.apiKey}`,
    "content-type": "application/json",
  };
  const ask = async (path: string, init: RequestInit, expectStatus: number): Promise<unknown> => {
    const signal = AbortSignal.timeout(ROUND_LIMIT_MS);
    const reply = await fetch(`${stack.url}${path}`, { ...init, headers, signal });
    const text = await reply.text();
    if (reply.status !== expectStatus) throw new Error(`${path}: ${reply.status} ${text}`);
    return JSON.parse(text);
  };
  const post = { method: "POST", body: JSON.stringify(body) };
  const accepted = (await ask("/generate", post, 202)) as { request_id: string };
  await ask(`/status/${accepted.request_id}?wait=${WAIT_SECONDS}`, {}, 200);
}

export const alone: Scenario = {
  name: "alone",
  about: "concurrency 1: one caller, one call after the other, a model that answers at once",
  inQuick: false,
  needs: ["wrk"],
  run: (context) =>
    withSession(context, { users: 1, quietWithinMs: QUIET_MS }, async (session) => {
      const bodies = await shortBodies(200);
      const wish = { generator: "wrk", seconds: context.isQuick ? 3 : 10, connections: 1 } as const;
      const accept = await session.load({
        ...wish,
        name: "accept, one at a time",
        files: session.generate(bodies),
        expectStatus: 202,
      });
      session.figure({
        what: "accept, one at a time, p50",
        unit: "ms",
        value: accept.latencyMs.p50,
      });
      await session.stack.books.untilQuiet(QUIET_MS);
      const files = session.calls(statusCalls(await storedRequests(session)));
      const read = await session.load({
        ...wish,
        name: "status, one at a time",
        files,
        expectStatus: 200,
      });
      session.figure({ what: "status, one at a time, p50", unit: "ms", value: read.latencyMs.p50 });

      const whole: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const body = bodies[round % bodies.length];
        if (body === undefined) break;
        const startedAt = performance.now();
        await generateAndWait(session, body);
        whole.push(performance.now() - startedAt);
      }
      const { p50, p99 } = percentilesOf(Float64Array.from(whole));
      session.figure({
        what: "from the call to the completed result, p50",
        unit: "ms",
        value: p50,
      });
      session.figure({
        what: "from the call to the completed result, p99",
        unit: "ms",
        value: p99,
      });
    }),
};
