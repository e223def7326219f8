import type { AcceptedReply, StatusReply } from "../../gateway/http/schemas.ts";
import { eventually, untilTrue } from "../../local/stack/eventually.ts";
import { generateCalls } from "../load/calls.ts";
import { BACKLOG_LIMIT_MS } from "../measure/backlog.ts";
import type { Scenario } from "../measure/bench.ts";
import { onStack, type Session } from "../measure/session.ts";
import type { BenchUser } from "../measure/users.ts";
import { shortBodies } from "../prompts/prompts.ts";

/** The first floods, the second has one request at a time; the others want their shares. */
const USERS = 5;
const FLOOD = 5_000;
const SERVICE_MS = 1_000;
const ROUNDS = 10;
const ROUNDS_QUICK = 4;
/** Quicker, so that shares are of many requests. */
const SHARES_SERVICE_MS = 100;
const SHARES_EACH = 2_500;
const SHARES_SECONDS = 8;
/** How often the last of these users gets what the others get. */
const GOLD_WEIGHT = 2;
const FILL = { ratePerSecond: 1_000, connections: 64 };
const CALL_LIMIT_MS = 70_000;

async function countParked({ stack }: Session): Promise<number> {
  const [row] = await stack.books.database.run(
    "count parked",
    (sql) => sql<{ n: number }[]>`select count(*)::int as n from parked`,
  );
  return row?.n ?? 0;
}

/** Posts so many requests of some users, and waits until most of them wait. */
async function post(session: Session, users: readonly BenchUser[], count: number): Promise<void> {
  const before = await countParked(session);
  const files = session.calls(generateCalls(users, await shortBodies(500)));
  await session.unmeasured(files, { ...FILL, seconds: Math.ceil(count / FILL.ratePerSecond) });
  await untilTrue("most of it is parked", BACKLOG_LIMIT_MS, async () => {
    return (await countParked(session)) - before > count / 2;
  });
}

/** Seconds from the post of one request until it is begun with. */
async function startOfLone({ stack, users }: Session): Promise<number> {
  const authorization = `Bearer ${users[1]?.apiKey}`;
  const signal = AbortSignal.timeout(CALL_LIMIT_MS);
  const headers = { authorization, "content-type": "application/json" };
  const body = JSON.stringify({ prompt: "May I?", max_tokens: 16 });
  const postedAtMs = Date.now();
  const posted = await fetch(`${stack.url}/generate`, { method: "POST", headers, body, signal });
  const { request_id: id } = (await posted.json()) as AcceptedReply;
  const startedAt = await eventually("a lone request has started", CALL_LIMIT_MS, async () => {
    const reply = await fetch(`${stack.url}/status/${id}?wait=10`, { headers, signal });
    const { started_at: at, completed_at: end } = (await reply.json()) as StatusReply;
    return end === undefined ? undefined : at;
  });
  return (Date.parse(startedAt) - postedAtMs) / 1_000;
}

/** Settled tokens by user. */
async function readSettled({ stack }: Session): Promise<Map<string, number>> {
  const rows = await stack.books.database.run(
    "sum tokens",
    (sql) => sql<{ user_id: string; tokens: number }[]>`
      select user_id, sum(prompt_tokens + completion_tokens)::bigint as tokens
      from token_logs
      group by user_id`,
  );
  return new Map(rows.map((row) => [row.user_id, row.tokens]));
}

async function measureShares(session: Session): Promise<void> {
  const { stack, users } = session;
  const wanting = users.slice(2);
  await stack.simulator.set({ ttft_ms: SHARES_SERVICE_MS });
  await post(session, wanting, SHARES_EACH * wanting.length);
  const before = await readSettled(session);
  await Bun.sleep(SHARES_SECONDS * 1_000);
  const after = await readSettled(session);
  // The flood goes on beside them.
  const waiting = [users[0], ...wanting].filter((user) => user !== undefined);
  const got = waiting.map(({ userId }) => (after.get(userId) ?? 0) - (before.get(userId) ?? 0));
  const sum = got.reduce((all, tokens) => all + tokens, 0);
  const weights = waiting.map((_, index) => (index === waiting.length - 1 ? GOLD_WEIGHT : 1));
  const allWeights = weights.reduce((all, weight) => all + weight, 0);
  const rows = waiting.map((_, index) => {
    const expected = (weights[index] ?? 1) / allWeights;
    return { weight: weights[index] ?? 1, expected, actual: (got[index] ?? 0) / sum };
  });
  session.table({
    title: "Shares of users who all wait, by settled tokens",
    columns: ["weight", "by weight, %", "got, %"],
    rows: rows.map(({ weight, expected, actual }) => [weight, 100 * expected, 100 * actual]),
  });
  const deviations = rows.map(({ expected, actual }) => Math.abs(actual / expected - 1));
  session.row("share_deviation", 100 * Math.max(...deviations));
}

export const fairness: Scenario = {
  name: "fairness",
  about:
    "5,000 requests of one user wait: when does a lone one of another start, what do others get?",
  part: "full",
  rows: ["lone_start_seconds", "share_deviation"],
  run: onStack(
    {
      users: USERS,
      settings: { tiers: { gold: { weight: GOLD_WEIGHT } } },
      quietWithinMs: BACKLOG_LIMIT_MS,
    },
    async (session) => {
      const { stack, users, progress } = session;
      const gold = users.at(-1)?.userId ?? "";
      await stack.books.database.run(
        "change a tier",
        (sql) => sql`update quotas set tier = 'gold' where user_id = ${gold}`,
      );
      await stack.simulator.set({ ttft_ms: SERVICE_MS });
      await post(session, users.slice(0, 1), FLOOD);
      const starts: number[] = [];
      const rounds = session.isQuick ? ROUNDS_QUICK : ROUNDS;
      await progress.step("  lone requests", async () => {
        while (starts.length < rounds) starts.push(await startOfLone(session));
        return { detail: `start after ${starts.map((one) => one.toFixed(1)).join(", ")} s` };
      });
      session.row("lone_start_seconds", Math.max(...starts));
      await measureShares(session);
      // What is left need not take its time.
      await stack.simulator.set({ ttft_ms: 0 });
    },
  ),
};
