import { type LoadResult, nothingMeasured, type Outcome } from "../figures.ts";
import { judge } from "../judge.ts";
import type { BenchReport } from "../run.ts";

// For tests.

export const sampleLoad = (parts: Partial<LoadResult> = {}): LoadResult => ({
  name: "1,000/s",
  generator: "paced",
  offeredPerSecond: 1_000,
  connections: 8,
  seconds: 3,
  expected: 3_000,
  perSecond: 1_000,
  unexpected: {},
  dropped: 0,
  latencyMs: { p50: 1, p95: 3, p99: 4, p999: 5, max: 6 },
  overTime: [],
  generatorCores: 0.1,
  ...parts,
});

export const sampleOutcome = (scenario: string, parts: Partial<Outcome> = {}): Outcome => ({
  scenario,
  about: "",
  ...nothingMeasured(),
  seconds: 1,
  ...parts,
});

export const sampleReport = (outcomes: Outcome[], failures: string[] = []): BenchReport => ({
  startedAt: "2026-01-01T00:00:00.000Z",
  seconds: 5,
  options: {
    quick: true,
    soak: false,
    growth: false,
    all: false,
    only: [],
    gateways: 1,
    workers: 1,
    profile: false,
  },
  machine: {
    cores: 2,
    cpu: "a CPU",
    memoryBytes: 2 ** 33,
    kernel: "6.1",
    distribution: "Debian",
    bun: "1.4.5",
    commit: "abc",
    loadBefore: 0,
  },
  servers: "private",
  k6: "v2.2.0",
  rows: judge(outcomes),
  ratios: [],
  failures,
  outcomes,
});
