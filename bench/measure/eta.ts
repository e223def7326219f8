import type { StatusReply } from "../../gateway/http/schemas.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { textArray } from "../../adapters/postgres/arrays.ts";
import type { InferencePayload } from "../../core/request/payload.ts";
import { fillBacklog } from "../growth/fill-backlog.ts";
import { percentile } from "../statistics.ts";
import { BACKLOG_LIMIT_MS, countCompleted, countOpen } from "./backlog.ts";
import type { Bench } from "./bench.ts";
import { ACCEPT_ONLY, type Session, withStack } from "./session.ts";

const USERS = 20;
const EACH = 500;
/** With 32 calls at once about 300 a second: the last request starts after half a minute. */
const SERVICE_MS = 100;
/** Some of all the requests are asked about. */
const ASKED = 100;
/** The rate is an average, which takes some seconds. */
const SETTLED = 0.15;
/** Of what starts sooner the error says little. */
const WAIT_MIN_SECONDS = 3;
const CALL_LIMIT_MS = 10_000;

/** What a caller was told, and what came. */
interface Told {
  requestId: string;
  /** null: that it is not known. */
  seconds: number | null;
  atMs: number;
}

/** Compares `waiting.starts_in_seconds` of a backlog of several users with when the requests started. */
export function measureEta(bench: Bench, payload: InferencePayload): Promise<void> {
  const options = { users: USERS, notYet: ACCEPT_ONLY, quietWithinMs: BACKLOG_LIMIT_MS };
  return withStack(bench, options, async (session) => {
    const { stack, users } = session;
    await stack.simulator.set({ ttft_ms: SERVICE_MS });
    const userIds = users.map(({ userId }) => userId);
    const to = USERS * EACH;
    await fillBacklog(session, { payload, userIds, isParked: true }, { to, say: () => {} });
    await stack.startRole("collector");
    await stack.startRole("worker");
    await untilTrue("the rate is measured", BACKLOG_LIMIT_MS, async () => {
      return (await countCompleted(session)) > SETTLED * to;
    });
    const told = await ask(session);
    await untilTrue("all have ended", BACKLOG_LIMIT_MS, async () => {
      return (await countOpen(session)) === 0;
    });
    await compare(session, told);
  });
}

async function ask({ stack, users }: Session): Promise<Told[]> {
  const rows = await stack.books.database.run(
    "choose parked requests",
    (sql) => sql<{ request_id: string; user_id: string }[]>`
      select request_id, user_id from parked order by md5(request_id::text) limit ${ASKED}`,
  );
  const keys = new Map(users.map(({ userId, apiKey }) => [userId, apiKey]));
  return Promise.all(
    rows.map(async ({ request_id: requestId, user_id: userId }) => {
      const reply = await fetch(`${stack.url}/status/${requestId}`, {
        headers: { authorization: `Bearer ${keys.get(userId) ?? ""}` },
        signal: AbortSignal.timeout(CALL_LIMIT_MS),
      });
      const { waiting } = (await reply.json()) as StatusReply;
      return { requestId, seconds: waiting?.starts_in_seconds ?? null, atMs: Date.now() };
    }),
  );
}

async function compare({ stack, ...bench }: Session, told: readonly Told[]): Promise<void> {
  const rows = await stack.books.database.run(
    "read starts",
    (sql) => sql<{ request_id: string; started_at: number }[]>`
      select request_id, started_at
      from requests
      where request_id = any(${textArray(told.map(({ requestId }) => requestId))}::uuid[])`,
  );
  const started = new Map(rows.map((row) => [row.request_id, row.started_at]));
  const errors = told.flatMap(({ requestId, seconds, atMs }) => {
    const waited = ((started.get(requestId) ?? 0) - atMs) / 1_000;
    if (seconds === null || waited < WAIT_MIN_SECONDS) return [];
    return Math.abs(seconds - waited) / waited;
  });
  const untold = told.filter(({ seconds }) => seconds === null).length;
  if (untold > 0) bench.note(`${untold} of ${told.length} were not told when they start`);
  if (errors.length === 0) return bench.fail("nobody was told when a request starts");
  const sorted = errors.toSorted((a, b) => a - b);
  const at = (share: number): number => 100 * percentile(sorted, share);
  bench.figure("error of the ETA that /status tells, of the wait, p50", "%", at(0.5));
  bench.figure("error of the ETA that /status tells, of the wait, p90", "%", at(0.9));
}
