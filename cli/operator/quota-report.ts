import type { User } from "../../adapters/postgres/users.ts";
import type { Config } from "../../core/config/schema.ts";
import type { UserLimits } from "../../core/quota/limits.ts";
import type { FailureUse, QuotaSnapshot } from "../../core/quota/quota.ts";
import {
  WINDOW_KINDS,
  type WindowKind,
  windowEndMs,
  windowIdOf,
} from "../../core/quota/windows.ts";
import { type LimitSource, sourceOf, tierOf } from "./limits.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { formatInstant, formatNumber, formatTable } from "../../adapters/terminal/table.ts";

interface MeasureReport {
  /** null: none; then `remaining` is null as well. */
  limit: number | null;
  limit_from: LimitSource;
  used: number;
  /** Part of `used`: estimates of open requests. */
  held: number;
  /** Negative when in debt. */
  remaining: number | null;
}

interface FailuresReport {
  /** null: none; then `remaining` is null as well. Always the tier's. */
  limit: number | null;
  used: number;
  remaining: number | null;
}

interface WindowReport {
  window: string;
  tier: string;
  /** The configuration does not have it any more; it allows what it did. */
  is_tier_removed: boolean;
  resets_at: string;
  requests: MeasureReport;
  tokens: MeasureReport;
  failed_executions: FailuresReport;
}

/** The quota of one user as `user quota --json` prints it. */
export interface QuotaReport {
  user_id: string;
  name: string;
  email: string;
  active: boolean;
  windows: Record<WindowKind, WindowReport>;
  concurrent_requests: { limit: number | null; limit_from: LimitSource; open: number };
}

const MEASURES = ["requests", "tokens"] as const;

export function reportQuota(
  user: User,
  stored: UserLimits,
  snapshot: QuotaSnapshot,
  { tiers, default_tier: defaultTier }: Pick<Config, "tiers" | "default_tier">,
): QuotaReport {
  const measureOf = (window: WindowKind, measure: (typeof MEASURES)[number]): MeasureReport => {
    const { limit, used, held } = snapshot.windows[window];
    const most = limit[measure];
    return {
      limit: most,
      limit_from: sourceOf(stored, window, measure),
      used: used[measure],
      held: held[measure],
      remaining: most === null ? null : most - used[measure],
    };
  };
  const windowOf = (window: WindowKind): WindowReport => {
    const tier = tierOf(stored, window, defaultTier);
    return {
      window: windowIdOf(window, snapshot.day),
      tier,
      is_tier_removed: !Object.hasOwn(tiers, tier),
      resets_at: new Date(windowEndMs(window, snapshot.day)).toISOString(),
      requests: measureOf(window, "requests"),
      tokens: measureOf(window, "tokens"),
      failed_executions: failuresOf(snapshot.failedExecutions[window]),
    };
  };
  return {
    user_id: user.userId,
    name: user.name,
    email: user.email,
    active: user.active,
    windows: { daily: windowOf("daily"), monthly: windowOf("monthly") },
    concurrent_requests: {
      limit: snapshot.concurrentRequests,
      limit_from: stored.concurrentRequests === null ? "tier" : "user",
      open: snapshot.openRequests,
    },
  };
}

function failuresOf({ limit, used }: FailureUse): FailuresReport {
  return { limit, used, remaining: limit === null ? null : Math.max(0, limit - used) };
}

const orNone = (value: number | null): string => (value === null ? "none" : formatNumber(value));

const tierText = ({ tier, is_tier_removed: isRemoved }: WindowReport): string =>
  `tier ${tier}${isRemoved ? " (removed)" : ""}`;

export function formatQuota(report: QuotaReport): string {
  const rows = WINDOW_KINDS.flatMap((kind) =>
    MEASURES.map((measure) => {
      const { resets_at: resetsAt, [measure]: amount } = report.windows[kind];
      return [
        `${kind} ${measure}`,
        orNone(amount.limit),
        amount.limit_from === "tier" ? tierText(report.windows[kind]) : "own",
        formatNumber(amount.used),
        formatNumber(amount.held),
        amount.remaining === null ? "" : formatNumber(amount.remaining),
        formatInstant(Date.parse(resetsAt)),
      ];
    }),
  );
  for (const kind of WINDOW_KINDS) {
    const { resets_at: resetsAt, failed_executions: failures } = report.windows[kind];
    rows.push([
      `${kind} failed executions`,
      orNone(failures.limit),
      tierText(report.windows[kind]),
      formatNumber(failures.used),
      "",
      failures.remaining === null ? "" : formatNumber(failures.remaining),
      formatInstant(Date.parse(resetsAt)),
    ]);
  }
  const { limit, limit_from: from, open } = report.concurrent_requests;
  const left = limit === null ? "" : formatNumber(limit - open);
  rows.push([
    "open requests",
    orNone(limit),
    from === "tier" ? tierText(report.windows.daily) : "own",
    formatNumber(open),
    "",
    left,
    "",
  ]);
  const heading = ["QUOTA", "LIMIT", "FROM", "USED", "HELD", "REMAINING", "RESETS AT (UTC)"];
  const inactive = report.active ? "" : " (inactive)";
  const who = printable(`${report.name} <${report.email}>`);
  return `${who} ${report.user_id}${inactive}\n${formatTable(heading, rows)}`;
}
