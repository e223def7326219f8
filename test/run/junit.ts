export interface TestTotals {
  passed: number;
  failed: number;
  skipped: number;
}

/** The totals at the head of a JUnit report as Bun writes it; undefined when it is cut off or no report. */
export function parseJunitTotals(xml: string): TestTotals | undefined {
  const [head] = /<testsuites\b[^>]*>/.exec(xml) ?? [];
  if (head === undefined) return undefined;
  const read = (attribute: string): number =>
    Number(new RegExp(`\\b${attribute}="(\\d+)"`).exec(head)?.[1] ?? Number.NaN);
  const tests = read("tests");
  const failed = read("failures");
  const skipped = read("skipped");
  if (![tests, failed, skipped].every(Number.isInteger)) return undefined;
  return { passed: tests - failed - skipped, failed, skipped };
}
