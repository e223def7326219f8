import type { QuotaGate } from "../../adapters/quota/quota-gate.ts";
import type { QuotaStore } from "../../adapters/redis/quota-store.ts";
import type { QuotaLimits, QuotaTruth } from "../../core/quota/quota.ts";
import { dayOf } from "../../core/quota/windows.ts";
import { newId } from "./quota-samples.ts";

export const ESTIMATE = 10;

const pauseBriefly = (): Promise<void> => Bun.sleep(Math.random() * 3);

/** PostgreSQL in memory: what is read is of one instant, and takes a while to arrive. */
export function createTables(userId: string, limits: QuotaLimits) {
  const day = dayOf(Date.now());
  const open = new Set<string>();
  const billed = new Map<string, number>();
  const sum = () => [...billed.values()].reduce((total, tokens) => total + tokens, 0);
  const readTruth = async (_: string, recent: string[]): Promise<QuotaTruth> => {
    await pauseBriefly();
    const truth = {
      limits,
      days: [{ day, requests: billed.size, tokens: sum(), failedExecutions: 0 }],
      holds: [...open].map((requestId) => ({ userId, requestId, day, tokens: ESTIMATE })),
      unstored: recent.filter((id) => !open.has(id) && !billed.has(id)),
    };
    await pauseBriefly();
    return truth;
  };
  return { userId, open, billed, sum, readTruth };
}

export type Tables = ReturnType<typeof createTables>;

/**
 * One request from its hold to its settlement; a random amount is billed. Returns whether it was admitted.
 */
export async function passThrough(
  { userId, open, billed }: Tables,
  gate: QuotaGate,
  store: QuotaStore,
): Promise<boolean> {
  const requestId = newId();
  const { admitted } = await gate.admitOrRebuild({ userId, requestId, tokens: ESTIMATE });
  if (!admitted) return false;
  await pauseBriefly();
  open.add(requestId);
  await pauseBriefly();
  const billedTokens = Math.floor(Math.random() * 2 * ESTIMATE);
  open.delete(requestId);
  billed.set(requestId, billedTokens);
  await pauseBriefly();
  await store.settle([{ userId, requestId, billedTokens, failedExecutions: 0, expectHold: true }]);
  return true;
}

/** What the quota says of the month at rest, and what the tables say. */
export async function booksAtRest({ userId, billed, sum }: Tables, gate: QuotaGate) {
  const { windows, openRequests } = await gate.readOrRebuild(userId);
  return {
    quota: { ...windows.monthly.used, held: windows.monthly.held, openRequests },
    ledger: {
      requests: billed.size,
      tokens: sum(),
      held: { requests: 0, tokens: 0 },
      openRequests: 0,
    },
  };
}
