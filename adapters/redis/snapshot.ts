import type { QuotaSnapshot, QuotaUse } from "../../core/quota/quota.ts";

const fromLimitReply = (limit: number): number | null => (limit < 0 ? null : limit);

/** Requests and tokens of the day, then of the month. */
type FourNumbers = [number, number, number, number];
/** The numbers of a reply as `lua/shared/snapshot.lua` orders them. */
type UseReply = [
  atMs: number,
  day: string,
  openRequests: number,
  concurrent: number,
  ...limits: FourNumbers,
  ...used: FourNumbers,
];
type SnapshotReply = [...UseReply, ...held: FourNumbers];

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
  };
}

export function toSnapshot(reply: SnapshotReply): QuotaSnapshot {
  const [a, b, c, d, e, f, g, h, i, j, k, l, hr, ht, mhr, mht] = reply;
  const { windows, ...use } = toUse([a, b, c, d, e, f, g, h, i, j, k, l]);
  return {
    ...use,
    windows: {
      daily: { ...windows.daily, held: { requests: hr, tokens: ht } },
      monthly: { ...windows.monthly, held: { requests: mhr, tokens: mht } },
    },
  };
}
