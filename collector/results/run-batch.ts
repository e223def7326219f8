import { announce } from "./announce.ts";
import { commitBatch, type CommittedDelivery } from "./commit-batch.ts";
import { settlementsOf, WORKER_CRASHED } from "./finishes.ts";
import { claimedState, outcomeOf } from "./outcome.ts";
import { persist } from "./persist.ts";
import type { CollectorPorts, ResultDelivery } from "../ports.ts";
import { settleAll } from "./settle.ts";

/**
 * Takes a batch all the way: commits, then settles, then wakes who waits, then puts copies to the dead
 * letters. Only after that may its deliveries be acked. So whatever dies on the way, the broker delivers them
 * again, and every step is repeated without effect.
 *
 * It waits for a store that is away.
 * @throws what the last try threw, once the signal has aborted: then nothing of the batch may be acked
 */
export async function runBatch(
  ports: CollectorPorts,
  deliveries: readonly ResultDelivery[],
  signal: AbortSignal,
): Promise<CommittedDelivery[]> {
  ports.metrics.collector_batch_size.observe(deliveries.length);
  ports.reach("C1");
  const committed = await persist(
    ports,
    "commit",
    // What was lost meanwhile comes again. Leaving it out bounds memory while PostgreSQL is away and the
    // broker comes and goes.
    () => commitBatch(ports, deliveries.filter(isLive)),
    signal,
  );
  ports.reach("C2");
  await persist(
    ports,
    "settle",
    () => settleAll(ports, settlementsOf(repliesOf(committed))),
    signal,
  );
  ports.reach("C3");
  record(ports, committed);
  await announce(ports, endedIds(committed));
  await persist(ports, "dead letters", () => publishDeadCopies(ports, committed), signal);
  return committed;
}

function isLive(delivery: ResultDelivery): boolean {
  return !delivery.lost.aborted;
}

function repliesOf(committed: readonly CommittedDelivery[]) {
  return committed.flatMap(({ reply }) => (reply === null ? [] : [reply]));
}

/** Repeats are announced too: whoever ended the request may have died before it said so. */
function endedIds(committed: readonly CommittedDelivery[]): string[] {
  const known = repliesOf(committed).flatMap((reply) => (reply === "unknown" ? [] : [reply]));
  return [...new Set(known.map(({ requestId }) => requestId))];
}

/**
 * A copy for each request that failed because it kept crashing workers; a repeat makes a second copy, which
 * does no harm.
 */
async function publishDeadCopies(
  ports: CollectorPorts,
  committed: readonly CommittedDelivery[],
): Promise<void> {
  await Promise.all(
    committed.map(async ({ delivery: { decoded }, reply }) => {
      if (decoded.kind !== "poisoned-request" || reply === null || reply === "unknown") return;
      if (reply.state === "failed") await ports.publishDeadRequest(decoded.request, WORKER_CRASHED);
    }),
  );
}

function record(ports: CollectorPorts, committed: readonly CommittedDelivery[]): void {
  const { metrics } = ports;
  const nowMs = ports.now();
  for (const { delivery, reply, isUnreadable } of committed) {
    const { decoded } = delivery;
    if (reply === null || isUnreadable) {
      metrics.collector_results_total.add(1, "unreadable");
      continue;
    }
    metrics.collector_results_total.add(1, outcomeOf(claimedState(decoded), reply));
    if (decoded.kind !== "result" || reply === "unknown" || !reply.moved) continue;
    const { head, usage, completedAtMs } = decoded.result;
    // The clocks of two machines differ a little.
    const lagMs = Math.max(0, nowMs - completedAtMs);
    metrics.collector_settle_lag_seconds.observe(lagMs / 1000);
    if (usage === null) continue;
    metrics.ml_tokens_processed_total.add(usage.promptTokens, head.model, "prompt");
    metrics.ml_tokens_processed_total.add(usage.completionTokens, head.model, "completion");
  }
}
