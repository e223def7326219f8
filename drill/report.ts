import type { Finding } from "./phase.ts";

export interface PhaseOutcome {
  phase: string;
  title: string;
  seconds: number;
  findings: Finding[];
  /** Why it was not tried. */
  skipped?: string;
}

export const isKept = (outcomes: readonly PhaseOutcome[]): boolean =>
  outcomes.every(({ findings }) => findings.every((finding) => finding.isKept));

const markOf = (finding: Finding): string => (finding.isKept ? "✓" : "✗");

/** All findings, a line each under the title of their phase, and what they come to. */
export function formatReport(outcomes: readonly PhaseOutcome[]): string {
  const lines = outcomes.flatMap(({ phase, title, seconds, findings, skipped }) => [
    `${phase}: ${title} (${skipped === undefined ? `${Math.round(seconds)} s` : "skipped"})`,
    ...(skipped === undefined ? [] : [`  - ${skipped}`]),
    ...findings.map((finding) => `  ${markOf(finding)} ${finding.what}: ${finding.seen}`),
  ]);
  const all = outcomes.flatMap(({ findings }) => findings);
  const broken = all.filter((finding) => !finding.isKept).length;
  const verdict = broken === 0 ? "PASSED" : "FAILED";
  return [...lines, `${verdict}: ${all.length - broken} of ${all.length} hold`].join("\n");
}
