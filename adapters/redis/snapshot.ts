import type { QuotaSnapshot } from "../../core/quota/quota.ts";

const fromLimitReply = (limit: number): number | null => (limit < 0 ? null : limit);

/** The numbers of a reply as `lua/shared/snapshot.lua` orders them: each four is requests and tokens of the day, then of the month. */
type SnapshotReply = [
  atMs: number,
  day: string,
  openRequests: number,
  concurrent: number,
  ...limits: FourNumbers,
  ...used: FourNumbers,
  ...held: FourNumbers,
];
type FourNumbers = [number, number, number, number];

export function toSnapshot(reply: SnapshotReply): QuotaSnapshot {
  const [
    atMs,
    day,
    openRequests,
    concurrent,
    lr,
    lt,
    mlr,
    mlt,
    ur,
    ut,
    mur,
    mut,
    hr,
    ht,
    mhr,
    mht,
  ] = reply;
  return {
    atMs,
    day,
    openRequests,
    concurrentRequests: fromLimitReply(concurrent),
    windows: {
      daily: {
        limit: { requests: fromLimitReply(lr), tokens: fromLimitReply(lt) },
        used: { requests: ur, tokens: ut },
        held: { requests: hr, tokens: ht },
      },
      monthly: {
        limit: { requests: fromLimitReply(mlr), tokens: fromLimitReply(mlt) },
        used: { requests: mur, tokens: mut },
        held: { requests: mhr, tokens: mht },
      },
    },
  };
}
