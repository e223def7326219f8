import type { Consumption, Hold } from "../quota/quota.ts";
import { WINDOW_KINDS, type WindowKind, windowIdOf } from "../quota/windows.ts";
import type { LedgerBooks, QuotaBooks } from "./books.ts";
import type { HoldDifference, UserDifference, WindowDifference } from "./difference.ts";

/** Where Redis and PostgreSQL disagree about one user (guarantees I3 and I4); empty when the books agree. */
export function compareUser(
  userId: string,
  redis: QuotaBooks,
  postgres: LedgerBooks,
): UserDifference[] {
  return [
    ...compareHolds(userId, redis.holds, postgres.holds),
    ...WINDOW_KINDS.flatMap((kind) => compareWindow(userId, kind, redis, postgres)),
  ];
}

function compareHolds(userId: string, held: Hold[], open: Hold[]): HoldDifference[] {
  const openById = new Map(open.map((hold) => [hold.requestId, hold]));
  const differences: HoldDifference[] = [];
  for (const hold of held) {
    const { requestId, tokens } = hold;
    const request = openById.get(requestId);
    openById.delete(requestId);
    if (request === undefined) {
      differences.push({ kind: "hold_without_request", userId, requestId, tokens });
    } else if (request.tokens !== tokens || request.day !== hold.day) {
      const [ours, theirs] = [describeHold(hold), describeHold(request)];
      differences.push({ kind: "hold_differs", userId, requestId, redis: ours, postgres: theirs });
    }
  }
  for (const { requestId, tokens } of openById.values()) {
    differences.push({ kind: "request_without_hold", userId, requestId, tokens });
  }
  return differences;
}

function describeHold(hold: Hold): string {
  return `${hold.tokens} tokens of ${hold.day}`;
}

function compareWindow(
  userId: string,
  window: WindowKind,
  redis: QuotaBooks,
  postgres: LedgerBooks,
): WindowDifference[] {
  const windowId = windowIdOf(window, redis.day);
  const isInWindow = ({ day }: { day: string }) => windowIdOf(window, day) === windowId;
  const held = sum(
    postgres.holds.filter(isInWindow).map(({ tokens }) => ({ requests: 1, tokens })),
  );
  const used = sum([held, ...postgres.days.filter(isInWindow)]);

  const about = { userId, window, windowId };
  const books = redis.windows[window];
  const ours = redis.failedExecutions[window];
  const theirs = postgres.days
    .filter(isInWindow)
    .reduce((total, { failedExecutions }) => total + failedExecutions, 0);
  const failures: WindowDifference = {
    ...about,
    kind: "used_differs",
    unit: "failed_executions",
    redis: ours,
    postgres: theirs,
  };
  return [
    ...compareSums({ ...about, kind: "used_differs" }, books.used, used),
    ...compareSums({ ...about, kind: "held_differs" }, books.held, held),
    ...(ours === theirs ? [] : [failures]),
  ];
}

function sum(parts: Consumption[]): Consumption {
  const total = { requests: 0, tokens: 0 };
  for (const part of parts) {
    total.requests += part.requests;
    total.tokens += part.tokens;
  }
  return total;
}

function compareSums(
  about: Omit<WindowDifference, "unit" | "redis" | "postgres">,
  redis: Consumption,
  postgres: Consumption,
): WindowDifference[] {
  return (["requests", "tokens"] as const)
    .filter((unit) => redis[unit] !== postgres[unit])
    .map((unit) => ({ ...about, unit, redis: redis[unit], postgres: postgres[unit] }));
}
