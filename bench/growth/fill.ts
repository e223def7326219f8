import { randomUUIDv7 } from "bun";

import { encodeRequest } from "../../adapters/amqp/messages.ts";
import { createPublisher } from "../../adapters/amqp/publisher.ts";
import { createSealer } from "../../adapters/crypto/envelope.ts";
import { openSignatures } from "../../adapters/process/broker.ts";
import { textArray } from "../../adapters/postgres/arrays.ts";
import { connectPostgres, type Database } from "../../adapters/postgres/connect.ts";
import { insertRequests } from "../../adapters/postgres/insert-requests.ts";
import { dayOf } from "../../core/quota/windows.ts";
import { encodeJson } from "../../core/request/payload.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import type { Session } from "../measure/session.ts";
import { insertUsers } from "../measure/users.ts";
import { type Filling, inParts } from "./grow.ts";

const STATEMENT_LIMIT_MS = 5 * 60_000;

/** Lends a connection for statements that take minutes. */
async function withFiller(
  { stack }: Session,
  act: (database: Database) => Promise<void>,
): Promise<void> {
  const database = connectPostgres({
    url: stack.config.postgres.url,
    poolMax: 2,
    statementTimeoutMs: STATEMENT_LIMIT_MS,
    deadlineMs: STATEMENT_LIMIT_MS + 1_000,
    name: "tollgate-bench-fill",
  });
  try {
    await act(database);
  } finally {
    await database.close();
  }
}

/**
 * Writes users, each with a key that nobody has, by statements inside PostgreSQL; then vacuums and analyzes,
 * as autovacuum would have by the time there are so many: plans for ten users are no plans for a million.
 */
export function fillUsers(session: Session, filling: Filling): Promise<void> {
  return withFiller(session, async (database) => {
    await inParts(filling, { size: 50_000 }, async (first, end) => {
      await insertUsers(database, first, end);
      await database.run(
        "insert keys",
        (sql) => sql`
          insert into api_keys (key_id, user_id, key_hash, prefix, last4, name)
          select
            gen_random_uuid(), md5('bench-user-' || n)::uuid,
            sha256(convert_to('bench-key-' || n, 'UTF8')), 'tg_none', 'none', 'bench'
          from generate_series(${first}::int, ${end - 1}::int) as n`,
      );
    });
    await database.run("analyze", (sql) => sql`vacuum (analyze) users, quotas, api_keys`);
  });
}

/** Of so many filled rows one was executed and has its row of the ledger. */
export const BILLED_EVERY = 4;
/** Bytes of what stands for a sealed prompt. */
export const FILLED_PROMPT_BYTES = 200;

/**
 * Writes so many failed requests of the last hour of this UTC day into today's partition, which is the worst
 * case, a quarter of them with a row of the ledger, by statements inside PostgreSQL; then vacuums and
 * analyzes both tables, as autovacuum would have by the time there are so many. Failed, because nobody could
 * open a result that was not sealed for its request. Redis knows nothing of them: forget the users
 * afterwards.
 */
export function fillRows(session: Session, filling: Filling): Promise<void> {
  const userIds = session.users.map(({ userId }) => userId);
  return withFiller(session, async (database) => {
    // As many lanes as cores.
    await inParts(filling, { size: 50_000, lanes: 2 }, (first, end) =>
      insertRows(database, userIds, first, end - 1),
    );
    await database.run("vacuum", (sql) => sql`vacuum (analyze) requests, token_logs`);
  });
}

async function insertRows(
  database: Database,
  userIds: readonly string[],
  first: number,
  last: number,
): Promise<void> {
  await database.run(
    "fill requests",
    (sql) => sql`
      with clock as (
        select
          greatest(now() - interval '1 hour', date_trunc('day', now(), 'UTC')) as from_at,
          now() as to_at
      ),
      made as (
        select
          from_at + (to_at - from_at) * ((n - ${first})::float8 / ${last - first + 1}::float8) as at,
          md5('bench-request-' || n) as random,
          n / ${userIds.length}::int % ${BILLED_EVERY}::int = 0 as is_billed,
          (${textArray(userIds)}::uuid[])[1 + n % ${userIds.length}::int] as user_id
        from clock, generate_series(${first}::int, ${last}::int) as n
      ),
      filled as (
        insert into requests (
          request_id, user_id, model, status, prompt, error_code, error_message, estimated_tokens,
          prompt_tokens, completion_tokens, attempts, window_day, publisher_id,
          created_at, expires_at, started_at, completed_at
        )
        select
          (
            lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
            || '7' || substr(random, 1, 3) || '8' || substr(random, 4, 15)
          )::uuid,
          user_id, 'sim-chat', 'failed', prompt, 'UPSTREAM_TIMEOUT', 'filled', 100,
          billed.input, billed.output, 1, (now() at time zone 'UTC')::date,
          '00000000-0000-4000-8000-000000000000',
          at, at + interval '1 hour', at, at
        from made, decode(repeat('ab', ${FILLED_PROMPT_BYTES}::int), 'hex') as prompt,
          lateral (
            select case when is_billed then 40 end, case when is_billed then 60 end
          ) as billed (input, output)
        returning request_id, user_id, model, window_day, total_tokens, created_at
      )
      insert into token_logs (
        request_id, user_id, model, window_day, prompt_tokens, completion_tokens, usage_source, created_at
      )
      select request_id, user_id, model, window_day, 40, 60, 'reported', created_at
      from filled
      where total_tokens is not null`,
  );
}

const HOUR_MS = 3_600_000;
const CONFIRM_MS = 60_000;
const ESTIMATED_TOKENS = 100;
const PUBLISHER = {
  channels: 4,
  messagesMax: 4_000,
  bytesMax: 32 * 1024 * 1024,
  confirmTimeoutMs: CONFIRM_MS,
};
const PAYLOAD = {
  input: { prompt: "What waits in front of me, and how long will it take until it is my turn?" },
  maxTokens: 64,
  n: 1,
  parameters: {},
};

interface Backlog {
  /** Whose they are, in turn. */
  userIds: readonly string[];
  /** They wait for their fair turn instead of being published. */
  isParked?: boolean;
}

/**
 * Adds so many queued requests: rows, and sealed, confirmed messages where they are not parked, by the
 * gateway's own functions, without HTTP, counting and holds. Their holds come to be when Redis loads their
 * users, so it must not know these yet.
 */
export async function fillBacklog(
  { stack: { books, config } }: Session,
  { userIds, isParked = false }: Backlog,
  filling: Filling,
): Promise<void> {
  const sealer = createSealer(config.secrets.encryption_keys);
  const publisher = createPublisher(books.broker, {
    ...PUBLISHER,
    signatures: openSignatures(() => config),
  });
  const content = encodeJson(PAYLOAD);
  const publisherId = crypto.randomUUID();

  function make(n: number): NewRequest {
    const createdAtMs = Date.now();
    const head = {
      requestId: randomUUIDv7(),
      userId: userIds[n % userIds.length] ?? "",
      model: config.default_model,
      windowDay: dayOf(createdAtMs),
      estimatedTokens: ESTIMATED_TOKENS,
      createdAtMs,
      expiresAtMs: createdAtMs + HOUR_MS,
    };
    return {
      head,
      publisherId,
      prompt: sealer.seal(content, head, "prompt"),
      metadata: null,
      acceptUntilMs: createdAtMs + CONFIRM_MS,
      idempotency: null,
      priority: "normal",
      isParked,
    };
  }

  try {
    await inParts(filling, { size: 500, lanes: 4 }, async (first, end) => {
      const rows = Array.from({ length: end - first }, (_, i) => make(first + i));
      await insertRequests(books.database, rows);
      if (isParked) return;
      const queue = books.queues.requests.name;
      const messages = rows.map(({ head, prompt: payload }) =>
        encodeRequest({ head, attempt: 1, payload }),
      );
      await Promise.all(messages.map((message) => publisher.publish(queue, message)));
    });
  } finally {
    await publisher.close();
  }
}
