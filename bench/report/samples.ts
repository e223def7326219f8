import { nothingMeasured, type Outcome } from "../figures.ts";
import { judge } from "../judge.ts";
import type { BenchReport } from "../run.ts";

// For tests.

export const sampleOutcome = (scenario: string, parts: Partial<Outcome> = {}): Outcome => {
  return { scenario, about: "", ...nothingMeasured(), seconds: 1, ...parts };
};

export const SAMPLE_OPTIONS = {
  quick: false,
  soak: false,
  growth: false,
  all: false,
  only: [],
  gateways: 1,
  workers: 1,
  profile: false,
};

export const sampleReport = (outcomes: Outcome[], failures: string[] = []): BenchReport => ({
  startedAt: "2026-01-01T00:00:00.000Z",
  seconds: 5,
  options: SAMPLE_OPTIONS,
  machine: { system: "Debian" },
  rows: judge(outcomes),
  failures,
  outcomes,
});
