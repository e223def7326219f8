import { createKeyHash } from "../../adapters/crypto/key-hash.ts";
import type { Difference } from "../../core/audit/difference.ts";
import type { RequestCounts } from "../../core/audit/books.ts";
import type { Facts, LedgerFact, RequestFact } from "../../history/facts.ts";
import type { Kubectl } from "./kubectl.ts";
import { NAMESPACE } from "./parts.ts";
import { queryPostgres } from "./servers.ts";

/** What `audit --queues --json` prints. */
export interface AuditJson {
  agree: boolean;
  requests: RequestCounts | null;
  users: number;
  users_not_loaded: number;
  holds_open: number;
  drift_tokens: number;
  differences: Difference[];
  differences_total: number;
  queues: Record<string, number | null>;
}

const AUDIT = ["-n", NAMESPACE, "exec", "deploy/collector", "--"].concat(
  ["bun", "cli/main.ts", "audit"],
  ["--queues", "--json"],
);

/** The audit of the documentation, in a collector. Exit code 1 says that the books differ. */
export async function audit(kubectl: Kubectl): Promise<AuditJson> {
  const { exitCode, out, err } = await kubectl.attempt(AUDIT);
  if (exitCode > 1 || out === "") throw new Error(`the audit could not look: ${err}`);
  return JSON.parse(out) as AuditJson;
}

const REQUESTS = `
  select r.request_id as "requestId", r.user_id as "userId", r.model, r.status as state, r.attempts,
    r.total_tokens as "totalTokens", r.error_code as "errorCode",
    extract(epoch from r.created_at) * 1000 as "createdAtMs",
    extract(epoch from r.completed_at) * 1000 as "completedAtMs",
    encode(k.key_hash, 'hex') as "keyHash"
  from requests r
  left join idempotency_keys k on k.request_id = r.request_id`;

const LEDGER = `
  select request_id as "requestId", prompt_tokens as "promptTokens",
    completion_tokens as "completionTokens", executions, failed_executions as "failedExecutions"
  from token_logs`;

/** What the servers have, for the checker. */
export async function readFacts(kubectl: Kubectl, simulator: Facts["simulator"]): Promise<Facts> {
  const requests = await queryPostgres<RequestFact>(kubectl, REQUESTS);
  const ledger = await queryPostgres<LedgerFact>(kubectl, LEDGER);
  const found = await audit(kubectl);
  const hash = createKeyHash(await readSecret(kubectl, "tollgate-secrets", "key-pepper"));
  return {
    requests,
    ledger,
    audit: {
      isConsistent: found.agree,
      users: found.users,
      usersNotLoaded: found.users_not_loaded,
      requests: found.requests,
      differences: found.differences,
      differencesTotal: found.differences_total,
      driftTokens: found.drift_tokens,
      holdsOpen: found.holds_open,
      usersRepaired: 0,
    },
    holdsLeft: found.holds_open,
    depths: Object.fromEntries(
      Object.entries(found.queues).map(([queue, ready]) => [queue, ready ?? 0]),
    ),
    simulator,
    hashOfKey: (userId, key) => hash(`idempotency-key\n${userId}\n${key}`).toString("hex"),
  };
}

/** The values of a secret of Tollgate's namespace, by their keys. */
export async function readSecrets(
  kubectl: Kubectl,
  name: string,
): Promise<Readonly<Record<string, string>>> {
  const { data } = await kubectl.get<{ data: Record<string, string> }>([
    "-n",
    NAMESPACE,
    "secret",
    name,
  ]);
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString("utf8"),
    ]),
  );
}

async function readSecret(kubectl: Kubectl, name: string, key: string): Promise<string> {
  const value = (await readSecrets(kubectl, name))[key];
  if (value === undefined) throw new Error(`the secret ${name} has no ${key}`);
  return value;
}
