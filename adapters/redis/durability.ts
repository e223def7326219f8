import type { Redis } from "ioredis";
import type { Metrics } from "../../core/metrics.ts";
import type { Log } from "../../runtime/log.ts";
import type { RedisConnection } from "./connection.ts";

/** Why Redis may forget what it was told: keys one by one while it runs, or all with its process. */
type Cause = "eviction" | "no_persistence";
type Findings = Partial<Record<Cause, boolean>>;

const CAUSES: readonly Cause[] = ["eviction", "no_persistence"];
const ADVICE: Record<Cause, string> = {
  eviction: "redis: may evict keys when it is full; set maxmemory-policy noeviction",
  no_persistence: "redis: stores nothing on disk; set appendonly yes",
};

/**
 * Shows whether the server's configuration makes it forget, in the gauge and once in the log. `check` asks
 * again, because it may be changed while the server runs; every connection is asked at once. What the server
 * does not tell, as where an ACL forbids it, is not shown.
 */
export function watchDurability(
  redis: RedisConnection,
  { redis_may_forget: gauge }: Pick<Metrics, "redis_may_forget">,
  log: Pick<Log, "warn">,
): { check: () => Promise<void> } {
  let known: Findings = {};

  /** Of all servers: one that may forget is enough. */
  async function readAll(): Promise<Findings> {
    const servers = redis.servers().filter((server) => server !== undefined);
    const each = await Promise.all(servers.map(({ client }) => readFindings(client)));
    const all: Findings = each.length === 0 ? known : {};
    for (const cause of CAUSES) {
      const told = each.map((one) => one[cause]).filter((value) => value !== undefined);
      if (told.length > 0) all[cause] = told.includes(true);
    }
    return all;
  }

  async function check(): Promise<void> {
    const found = await readAll().catch(() => known);
    for (const cause of CAUSES) {
      const isFound = found[cause];
      if (isFound !== undefined) gauge.set(isFound ? 1 : 0, cause);
      if (isFound && !known[cause]) log.warn({ cause }, ADVICE[cause]);
    }
    known = found;
  }

  redis.onReady(() => void check());
  return { check };
}

async function readFindings(client: Redis): Promise<Findings> {
  const [memory, persistence, savePoints] = await Promise.all([
    client.info("memory"),
    client.info("persistence"),
    readSavePoints(client),
  ]);
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
  const limitBytes = /^maxmemory:(\d+)/m.exec(memory)?.[1];
  const appendsOnly = /^aof_enabled:(\d)/m.exec(persistence)?.[1];
  const findings: Findings = {};
  // A server without a limit evicts nothing, whatever its policy.
  if (policy !== undefined && limitBytes !== undefined)
    findings.eviction = policy !== "noeviction" && limitBytes !== "0";
  if (appendsOnly === "1") findings.no_persistence = false;
  else if (savePoints !== undefined) findings.no_persistence = savePoints === "";
  return findings;
}

/** When an RDB file is written, `""` for never; undefined where the server does not tell. */
function readSavePoints(client: Redis): Promise<string | undefined> {
  return client.config("GET", "save").then(
    (reply) => reply[1],
    () => undefined,
  );
}
