import type { Shares } from "./shares.ts";
import type { Waits } from "./waits.ts";
import { type CheckReport, VIOLATIONS, violationsOf } from "./check.ts";

const EXAMPLES_MAX = 10;

/** A report for people: the counts, and examples of what is wrong. */
export function formatReport(report: CheckReport): string {
  const { attempted, acknowledged, ok, recovered, states, errors, deadLetters, tokens } = report;
  const lines = [
    `attempted ${attempted}, acknowledged ${acknowledged}, ok ${ok}, recovered ${recovered}`,
    `states ${JSON.stringify(states)}, errors ${JSON.stringify(errors)}, dead letters ${deadLetters}`,
    `tokens: ledger ${tokens.ledger}, ML service ${tokens.simulator}`,
  ];
  for (const [group, waits] of Object.entries(report.waits)) lines.push(formatWaits(group, waits));
  for (const shares of report.shares) lines.push(formatShares(shares));
  for (const kind of VIOLATIONS) {
    const found = report[kind];
    const amount = Array.isArray(found) ? found.length : found;
    lines.push(`${kind.padEnd(13)} ${amount}`);
    if (Array.isArray(found))
      for (const one of found.slice(0, EXAMPLES_MAX)) lines.push(`  ${one}`);
  }
  const violations = violationsOf(report);
  lines.push(violations.length === 0 ? "PASSED" : `FAILED: ${violations.join(", ")}`);
  return lines.join("\n");
}

function formatWaits(group: string, { count, p50Ms, p99Ms, maxMs }: Waits): string {
  return `waits of ${group}: ${count}, p50 ${p50Ms} ms, p99 ${p99Ms} ms, longest ${maxMs} ms`;
}

function formatShares({ contendedMs, ended, shares }: Shares): string {
  const each = shares.map(
    ({ expected, actual }) => `${(actual * 100).toFixed(1)} % for ${(expected * 100).toFixed(1)} %`,
  );
  return `shares of ${ended} requests in ${Math.round(contendedMs)} ms: ${each.join(", ")}`;
}
