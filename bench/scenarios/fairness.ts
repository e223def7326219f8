import type { AcceptedReply, StatusReply } from "../../gateway/http/schemas.ts";
import { eventually, untilTrue } from "../../local/stack/eventually.ts";
import type { Scenario } from "../measure/bench.ts";
import { BACKLOG_LIMIT_MS, count } from "../measure/requests.ts";
import { onStack, type Session } from "../measure/session.ts";
import type { BenchUser } from "../measure/users.ts";
import { sum } from "../statistics.ts";

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
const START_LIMIT_MS = 70_000;

/** Posts so many requests of some users, and waits until most of them wait. */
async function post(session: Session, users: readonly BenchUser[], amount: number): Promise<void> {
  const before = await count(session, "parked");
  const files = await session.generate("short", users);
  await session.unmeasured(files, { ...FILL, seconds: Math.ceil(amount / FILL.ratePerSecond) });
  await untilTrue("most of it is parked", BACKLOG_LIMIT_MS, async () => {
    return (await count(session, "parked")) - before > amount / 2;
  });
}

/** Seconds from the post of one request until it is begun with. */
async function startOfLone({ users, ask }: Session): Promise<number> {
  const body = { prompt: "May I?", max_tokens: 16 };
  const postedAtMs = Date.now();
  const { request_id: id } = await ask<AcceptedReply>(users[1], "/generate", body);
  const startedAt = await eventually("a lone request has started", START_LIMIT_MS, async () => {
    const reply = await ask<StatusReply>(users[1], `/status/${id}?wait=10`);
    return reply.completed_at === undefined ? undefined : reply.started_at;
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
  const rows = [...users.slice(0, 1), ...wanting].map(({ userId }) => ({
    weight: userId === users.at(-1)?.userId ? GOLD_WEIGHT : 1,
    tokens: (after.get(userId) ?? 0) - (before.get(userId) ?? 0),
  }));
  const allTokens = sum(rows.map(({ tokens }) => tokens));
  const allWeights = sum(rows.map(({ weight }) => weight));
  const shares = rows.map(({ weight, tokens }) => {
    return { weight, expected: weight / allWeights, actual: tokens / allTokens };
  });
  session.table({
    title: "Shares of users who all wait, by settled tokens",
    columns: ["weight", "by weight, %", "got, %"],
    rows: shares.map(({ weight, expected, actual }) => [weight, 100 * expected, 100 * actual]),
  });
  const deviations = shares.map(({ expected, actual }) => Math.abs(actual / expected - 1));
  session.row("share_deviation", 100 * Math.max(...deviations));
}

const STACK = {
  users: USERS,
  settings: { tiers: { gold: { weight: GOLD_WEIGHT } } },
  quietWithinMs: BACKLOG_LIMIT_MS,
};

export const fairness: Scenario = {
  name: "fairness",
  about:
    "5,000 requests of one user wait: when does a lone one of another start, what do others get?",
  part: "full",
  rows: ["lone_start_seconds", "share_deviation"],
  run: onStack(STACK, async (session) => {
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
  }),
};
