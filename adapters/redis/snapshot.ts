import type { FailureUse, QuotaSnapshot, QuotaUse } from "../../core/quota/quota.ts";
import type { WindowKind } from "../../core/quota/windows.ts";

const fromLimitReply = (limit: number): number | null => (limit < 0 ? null : limit);

/** Requests and tokens of the day, then of the month. */
type FourNumbers = [number, number, number, number];
/** Of failed executions: the limits of the day and of the month, then how many failed in each. */
type FailuresReply = [number, number, number, number];
/** The numbers of a reply as `lua/shared/snapshot.lua` orders them. */
type UseReply = [
  atMs: number,
  day: string,
  openRequests: number,
  concurrent: number,
  ...limits: FourNumbers,
  ...used: FourNumbers,
];
type BlockedReply = [...UseReply, window: WindowKind, limit: number, failed: number];
type SnapshotReply = [...UseReply, ...held: FourNumbers, ...FailuresReply];

export function toUse(reply: UseReply): QuotaUse {
  const [atMs, day, openRequests, concurrent, lr, lt, mlr, mlt, ur, ut, mur, mut] = reply;
  return {
    atMs,
    day,
    openRequests,
    concurrentRequests: fromLimitReply(concurrent),
    windows: {
      daily: {
        limit: { requests: fromLimitReply(lr), tokens: fromLimitReply(lt) },
        used: { requests: ur, tokens: ut },
      },
      monthly: {
        limit: { requests: fromLimitReply(mlr), tokens: fromLimitReply(mlt) },
        used: { requests: mur, tokens: mut },
      },
    },
    failedExecutions: {},
  };
}

/** Of a user who is refused because too many executions have failed. */
export function toBlockedUse(reply: BlockedReply): QuotaUse {
  const [a, b, c, d, e, f, g, h, i, j, k, l, window, limit, used] = reply;
  const use = toUse([a, b, c, d, e, f, g, h, i, j, k, l]);
  return { ...use, failedExecutions: { [window]: { limit, used } } };
}

export function toSnapshot(reply: SnapshotReply): QuotaSnapshot {
  const [a, b, c, d, e, f, g, h, i, j, k, l, hr, ht, mhr, mht, ...failures] = reply;
  const { windows, ...use } = toUse([a, b, c, d, e, f, g, h, i, j, k, l]);
  return {
    ...use,
    windows: {
      daily: { ...windows.daily, held: { requests: hr, tokens: ht } },
      monthly: { ...windows.monthly, held: { requests: mhr, tokens: mht } },
    },
    failedExecutions: toFailures(failures),
  };
}

function toFailures([dl, ml, du, mu]: FailuresReply): Record<WindowKind, FailureUse> {
  return {
    daily: { limit: fromLimitReply(dl), used: du },
    monthly: { limit: fromLimitReply(ml), used: mu },
  };
}
