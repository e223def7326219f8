import type { Difference } from "../../core/audit/difference.ts";
import { formatNumber } from "../../adapters/terminal/table.ts";

/** One difference on one line. */
export function describeDifference(difference: Difference): string {
  switch (difference.kind) {
    case "hold_without_request":
      return (
        `user ${difference.userId}: Redis holds ${tokens(difference.tokens)} ` +
        `for the request ${difference.requestId}, which is not open`
      );
    case "request_without_hold":
      return (
        `user ${difference.userId}: the request ${difference.requestId} is open ` +
        `and Redis holds nothing of its ${tokens(difference.tokens)}`
      );
    case "hold_differs":
      return (
        `user ${difference.userId}: for the request ${difference.requestId} ` +
        `Redis holds ${difference.redis}, the request asks for ${difference.postgres}`
      );
    case "books_broken":
      return (
        `user ${difference.userId}: what Redis stores cannot be read: ` +
        "a key of another type, or a value that is not ours"
      );
    case "used_differs":
    case "held_differs": {
      const { userId, windowId, unit, redis, postgres } = difference;
      const [word, truth] =
        difference.kind === "used_differs" ? ["used", "ledger + holds"] : ["held", "open requests"];
      const figures = `Redis ${formatNumber(redis)}, ${truth} ${formatNumber(postgres)}`;
      return `user ${userId}: ${windowId} ${unit.replace("_", " ")} ${word}: ${figures}`;
    }
    case "ledger_duplicate":
      return `the request ${difference.requestId} is billed ${difference.rows} times`;
    case "ledger_unexecuted":
      return (
        `the request ${difference.requestId} is billed ` +
        `although it is ${difference.state} and nothing was executed`
      );
    case "ledger_differs":
      return (
        `the request ${difference.requestId} (${difference.state}): ` +
        "its ledger row is not what the request says"
      );
    case "ledger_missing":
      return (
        `the request ${difference.requestId} is ${difference.state} and was executed, ` +
        "and the ledger does not know of it"
      );
    case "ledger_sum_differs": {
      const { userId, day, unit, ledger, sum } = difference;
      const figures = `${formatNumber(sum)}, that of the ledger ${formatNumber(ledger)}`;
      return `user ${userId}: the sum of ${unit.replace("_", " ")} of ${day} is ${figures}`;
    }
    case "requests_unaccounted": {
      const { accepted, terminal, open } = difference;
      const [a, t, o] = [accepted, terminal, open].map(formatNumber);
      return `${a} requests accepted, but ${t} ended + ${o} open`;
    }
    case "message_unknown":
      return (
        `${difference.queue} has a message of the request ${difference.requestId}, ` +
        "which PostgreSQL does not know"
      );
  }
}

const tokens = (count: number): string => `${formatNumber(count)} tokens`;

/** What `--repair` mends: whatever Redis has wrong about a user. */
export function isMendable({ kind }: Difference): boolean {
  switch (kind) {
    case "hold_without_request":
    case "request_without_hold":
    case "hold_differs":
    case "used_differs":
    case "held_differs":
    case "books_broken":
      return true;
    case "ledger_duplicate":
    case "ledger_unexecuted":
    case "ledger_differs":
    case "ledger_missing":
    case "ledger_sum_differs":
    case "requests_unaccounted":
    case "message_unknown":
      return false;
  }
}

/** The last line of an audit: the verdict, or what to do next. */
export function adviceOn(differences: readonly Difference[]): string {
  if (differences.length === 0) return "the books agree";
  const mendable = differences.filter(isMendable).length;
  const advice: string[] = [];
  if (mendable > 0) advice.push("./tollgate audit --repair rebuilds Redis from PostgreSQL");
  if (differences.some(({ kind }) => kind === "message_unknown"))
    advice.push(
      "./tollgate dead show ID looks at a dead letter, ./tollgate dead drop ID forgets it",
    );
  if (differences.some(({ kind }) => kind.startsWith("ledger_") || kind === "requests_unaccounted"))
    advice.push(
      "what PostgreSQL itself has wrong nothing mends: keep the logs, see docs/operations.md",
    );
  return `the books differ: ${advice.join("; ")}`;
}
