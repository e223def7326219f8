import { createKeyHash } from "../adapters/crypto/key-hash.ts";
import type { AuditReport } from "../core/audit/run-audit.ts";
import type { DurableState } from "../core/request/request.ts";
import type { SimTotals } from "../ml-sim/stats.ts";
import type { Books } from "../local/stack/books.ts";
import { requirePepper } from "../core/config/pepper.ts";

export interface RequestFact {
  requestId: string;
  userId: string;
  model: string;
  state: DurableState;
  attempts: number;
  /** What the request itself says that it used; null: nothing. */
  totalTokens: number | null;
  errorCode: string | null;
  /** By the clock of the gateway; the end by that of the database. Unix milliseconds. */
  createdAtMs: number;
  /** null: it has not ended. */
  completedAtMs: number | null;
  /** The hash, in hex, of the Idempotency-Key that the request was made with; null: without one. */
  keyHash: string | null;
}

export interface LedgerFact {
  requestId: string;
  promptTokens: number;
  completionTokens: number;
  /** Executions, and those of them that failed. */
  executions: number;
  failedExecutions: number;
}

/** What the servers say after a run, read past all processes. */
export interface Facts {
  requests: RequestFact[];
  ledger: LedgerFact[];
  audit: AuditReport;
  holdsLeft: number;
  /** Messages left in queues, by queue; the dead letters too. */
  depths: Record<string, number>;
  simulator: SimTotals;
  /** The hash under which PostgreSQL keeps an Idempotency-Key, in hex. */
  hashOfKey: (userId: string, key: string) => string;
}

interface RequestRow {
  request_id: string;
  user_id: string;
  model: string;
  status: DurableState;
  attempts: number;
  total_tokens: number | null;
  error_code: string | null;
  created_at: number;
  completed_at: number | null;
  key_hash: string | null;
}

interface LedgerRow {
  request_id: string;
  prompt_tokens: number;
  completion_tokens: number;
  executions: number;
  failed_executions: number;
}

/** Where to read; a stack has all of it. */
export interface FactSources {
  books: Pick<Books, "database" | "audit" | "holds" | "depths">;
  simulator: { stats: () => Promise<SimTotals> };
  config: { secrets: { key_pepper: string } };
}

export async function readFacts({ books, simulator, config }: FactSources): Promise<Facts> {
  const requests = await books.database.run(
    "read all requests",
    (sql) => sql<RequestRow[]>`
      select r.request_id, r.user_id, r.model, r.status, r.attempts, r.total_tokens, r.error_code,
        r.created_at, r.completed_at, encode(k.key_hash, 'hex') as key_hash
      from requests r
      left join idempotency_keys k on k.request_id = r.request_id`,
  );
  const ledger = await books.database.run(
    "read the ledger",
    (sql) => sql<LedgerRow[]>`
      select request_id, prompt_tokens, completion_tokens, executions, failed_executions from token_logs`,
  );
  const hash = createKeyHash(requirePepper(config));
  return {
    requests: requests.map((row) => ({
      requestId: row.request_id,
      userId: row.user_id,
      model: row.model,
      state: row.status,
      attempts: row.attempts,
      totalTokens: row.total_tokens,
      errorCode: row.error_code,
      createdAtMs: row.created_at,
      completedAtMs: row.completed_at,
      keyHash: row.key_hash,
    })),
    ledger: ledger.map((row) => ({
      requestId: row.request_id,
      promptTokens: row.prompt_tokens,
      completionTokens: row.completion_tokens,
      executions: row.executions,
      failedExecutions: row.failed_executions,
    })),
    audit: await books.audit(),
    holdsLeft: (await books.holds()).length,
    depths: await books.depths(),
    simulator: await simulator.stats(),
    hashOfKey: (userId, key) => hash(`idempotency-key\n${userId}\n${key}`).toString("hex"),
  };
}
