import { parkedPlaces } from "../../adapters/postgres/parked-places.ts";
import { tiersOf } from "../../adapters/postgres/parked.ts";
import { createLanes } from "../../adapters/redis/lanes.ts";
import { createModelHealthStore } from "../../adapters/redis/model-health.ts";
import type { AttemptHints } from "../../core/attempt/start.ts";
import type { Waiting } from "../../core/queue/lane.ts";
import { HEALTHY } from "../../core/queue/model-health.ts";
import { whyWaiting, workersOf } from "../../core/queue/waiting.ts";
import { tierOf } from "../../core/quota/limits.ts";
import type { StoredRequest } from "../../core/request/stored-request.ts";
import { formatCount } from "../../adapters/terminal/table.ts";
import { formatAge } from "../operator/ages.ts";
import type { Operation } from "../operator/operate.ts";
import { tiersInForce } from "../operator/tiers.ts";

/**
 * Why an open request that no worker executes has not started, as its owner is told.
 *
 * @throws {Fault} STORE_UNAVAILABLE, QUOTA_UNAVAILABLE
 */
export async function readWaiting(
  operation: Operation,
  { requestId, userId, model }: Pick<StoredRequest, "requestId" | "userId" | "model">,
  { delayedUntilMs }: Pick<AttemptHints, "delayedUntilMs">,
): Promise<Waiting> {
  const { config, database } = operation;
  const redis = await operation.redis();
  const lanes = createLanes(redis);
  const [view, [dated], notes, [place], [tier], { tiers, default_tier }] = await Promise.all([
    lanes.readView(),
    createModelHealthStore(redis).read([model]),
    lanes.readWorkers(),
    parkedPlaces(database, [requestId]),
    tiersOf(database, [userId]),
    tiersInForce(operation),
  ]);
  const { health, atMs } = dated ?? { health: HEALTHY, atMs: Date.now() };
  const facts = {
    isConfigured: Object.hasOwn(config.models, model),
    lane: view?.models[model],
    health,
    atMs,
    workers: workersOf(notes, model),
  };
  const { weight } = tierOf(tier ?? null, tiers, default_tier);
  const delayMs = Math.max(0, delayedUntilMs - Date.now());
  return whyWaiting(facts, { userId, weight, place, delayMs });
}

/** `fair share, 12 requests ahead, starts in about 4s`. */
export function describeWaiting({ reason, ahead, startsInSeconds, lastError }: Waiting): string {
  const parts = [reason.replaceAll("_", " ")];
  if (ahead > 0) parts.push(`${formatCount(ahead, "request")} ahead`);
  if (startsInSeconds !== null) parts.push(`starts in about ${formatAge(startsInSeconds * 1_000)}`);
  if (lastError !== null) parts.push(`${lastError.message} (${lastError.code})`);
  return parts.join(", ");
}
