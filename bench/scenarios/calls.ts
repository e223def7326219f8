import { untilTrue } from "../../local/stack/eventually.ts";
import { peakMegabytes } from "../machine/sampler.ts";
import type { Scenario } from "../measure/bench.ts";
import { onStack, type Session } from "../measure/session.ts";
import type { BenchUser } from "../measure/users.ts";
import { percentilesOf } from "../statistics.ts";

const PATH = "/v1/chat/completions";
const CALLS_PER_SECOND = 50;
const CALL_SECONDS = 20;
/** Cold code costs half as much again. */
const WARM_CALLS = 300;

/** Whether memory grows from one to the next. */
const ROUNDS = 3;
const STREAMS = 1_000;
const STREAMS_QUICK = 200;
/** 20 a second. */
const TOKEN_MS = 50;
const TOKENS = 200;
/** Opened so many at once, so that opening them is no flood. */
const OPENED_AT_ONCE = 50;
const LIMIT_MS = 120_000;
const QUIET_MS = 60_000;

/** One call of OpenAI's dialect, the answer read to its end. */
async function call(
  { stack }: Session,
  user: BenchUser | undefined,
  body: object,
): Promise<Response> {
  const response = await fetch(`${stack.url}${PATH}`, {
    method: "POST",
    headers: { authorization: `Bearer ${user?.apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "sim-chat", ...body }),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  if (!response.ok) throw new Error(`${PATH}: ${response.status} ${await response.text()}`);
  return response;
}

const said = (text: string): object => ({ messages: [{ role: "user", content: text }] });

async function measureCalls(session: Session): Promise<void> {
  const { users } = session;
  const one = async (number: number): Promise<number> => {
    const startedAtMs = performance.now();
    const user = users[number % users.length];
    await (await call(session, user, { ...said(`call ${number}`), max_tokens: 4 })).text();
    return performance.now() - startedAtMs;
  };
  for (let number = 0; number < WARM_CALLS; number += 1) await one(number);
  session.sampler.restart();
  const underWay: Promise<number>[] = [];
  const startedAtMs = performance.now();
  for (let number = 0; number < CALLS_PER_SECOND * CALL_SECONDS; number += 1) {
    const dueAtMs = startedAtMs + (number * 1_000) / CALLS_PER_SECOND;
    await Bun.sleep(Math.max(0, dueAtMs - performance.now()));
    underWay.push(one(number));
  }
  const { p50, p99 } = percentilesOf(Float64Array.from(await Promise.all(underWay)));
  session.row("call_p50_ms", p50);
  session.row("call_p99_ms", p99);
}

/** When each piece of an answer came, milliseconds. */
async function readStream(session: Session, user: BenchUser | undefined, number: number) {
  const body = { ...said(`stream ${number}`), max_tokens: TOKENS, stream: true };
  const response = await call(session, user, body);
  const cameAtMs: number[] = [];
  let isWhole = false;
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    const events = `${rest}${decoder.decode(bytes, { stream: true })}`.split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      if (event.includes(`"content":"`) && !event.includes(`"content":""`))
        cameAtMs.push(performance.now());
      if (event.startsWith("data: [DONE]")) isWhole = true;
    }
  }
  return { cameAtMs, isWhole };
}

/**
 * How much later than the earliest piece of its answer each piece came, by the pace of the model: what is
 * between the model and the reader added so much.
 */
function latenessOf(cameAtMs: readonly number[]): number[] {
  const offsets = cameAtMs.map((atMs, index) => atMs - index * TOKEN_MS);
  const earliest = Math.min(...offsets);
  return offsets.map((offset) => offset - earliest);
}

async function measureStreams(session: Session): Promise<void> {
  const { users, stack, isQuick } = session;
  const count = isQuick ? STREAMS_QUICK : STREAMS;
  await stack.simulator.set({
    token_ms: TOKEN_MS,
    output_tokens_min: TOKENS,
    output_tokens_max: TOKENS,
  });
  const read: Awaited<ReturnType<typeof readStream>>[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    session.sampler.restart();
    const reading: ReturnType<typeof readStream>[] = [];
    for (let number = 0; number < count; number += 1) {
      reading.push(readStream(session, users[number % users.length], number));
      if (number % OPENED_AT_ONCE === 0) await Bun.sleep(100);
    }
    read.push(...(await Promise.all(reading)));
    const megabytes = peakMegabytes(session.sampler.samples(), "gateway");
    session.figure(`memory of the gateway, round ${round} of ${ROUNDS}, most`, "MB", megabytes);
  }
  const lateness = read.flatMap(({ cameAtMs }) => latenessOf(cameAtMs));
  const { p50, p99 } = percentilesOf(Float64Array.from(lateness));
  session.figure(`${count} streams: a piece is late by, p50`, "ms", p50);
  if (count === STREAMS) session.row("stream_p99_ms", p99);
  else session.figure(`${count} streams: a piece is late by, p99`, "ms", p99);
  const lost = read.reduce((sum, { cameAtMs }) => sum + TOKENS - cameAtMs.length, 0);
  session.figure("pieces that did not come", "pieces", lost);
  const broken = read.filter(({ isWhole }) => !isWhole).length;
  if (lost !== 0 || broken > 0) session.fail(`${lost} pieces are missing, ${broken} streams broke`);
  await untilTrue("all have ended", LIMIT_MS, async () => (await stack.books.holds()).length === 0);
}

export const calls: Scenario = {
  name: "calls",
  about: "calls of OpenAI's dialect, 50 a second, the model answering at once",
  part: "quick",
  rows: ["call_p50_ms", "call_p99_ms"],
  run: onStack({ users: 20, gateways: 1, quietWithinMs: QUIET_MS }, measureCalls),
};

export const streams: Scenario = {
  name: "streams",
  about: "1,000 open streams of 20 pieces a second through one gateway (200 with --quick)",
  part: "full",
  rows: ["stream_p99_ms"],
  run: onStack(
    {
      users: 100,
      gateways: 1,
      quietWithinMs: QUIET_MS,
      settings: {
        worker: { actors: 1_024, prefetch: 1_024 },
        models: { "sim-chat": { concurrency_max: 1_024 } },
      },
    },
    measureStreams,
  ),
};
