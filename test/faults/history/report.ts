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
