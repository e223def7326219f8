export const STAGE_NAMES = [
  "check",
  "unit",
  "servers",
  "e2e",
  "tls",
  "queries",
  "api",
  "faults",
  "drills",
  "ha",
] as const;
export type StageName = (typeof STAGE_NAMES)[number];

/** `alone`: before the others, because it tells within seconds what is broken. */
export type Lane = "alone" | "calm" | "api" | "faults" | "ha";

export interface TestStage {
  name: Exclude<StageName, "check">;
  about: string;
  /** Globs of its test files. */
  files: readonly string[];
  /** Its servers take encrypted connections only, and its stacks listen so. */
  isEncrypted?: boolean;
  /** Whether PostgreSQL, Redis and RabbitMQ must run; without, their URLs are hidden from the tests. */
  needsServers: boolean;
  /** Whether tests are left out where there is no Prometheus; it is installed if that can be done. */
  wantsPrometheus?: boolean;
  /** Stages of one lane run one after the other; lanes run beside each other, each with its own servers. */
  lane: Lane;
  /** Only run when it is asked for by its name. */
  isOnDemand?: boolean;
  /** Longest one test may take. */
  testLimitMs: number;
}

/** The stages in the order they are run. A test file belongs to exactly one. */
export const TEST_STAGES: readonly TestStage[] = [
  {
    name: "unit",
    about: "with nothing listening",
    files: [
      "{core,runtime,gateway,workers,collector,ml-sim,local,cli,bench,drill,history}/**/*.test.ts",
      "test/run/**/*.test.ts",
      "test/contracts/*.fake.test.ts",
    ],
    needsServers: false,
    lane: "alone",
    testLimitMs: 10_000,
  },
  {
    name: "servers",
    about: "adapters and contracts on real servers",
    files: [
      "adapters/**/*.test.ts",
      "test/*.test.ts",
      "test/!(api|contracts|drills|e2e|faults|ha|run|tls)/**/!(queries).test.ts",
      "test/contracts/*.adapter.test.ts",
    ],
    needsServers: true,
    wantsPrometheus: true,
    lane: "calm",
    testLimitMs: 30_000,
  },
  {
    name: "e2e",
    about: "real processes, real HTTP",
    files: ["test/e2e/**/*.test.ts"],
    needsServers: true,
    lane: "calm",
    testLimitMs: 120_000,
  },
  {
    name: "tls",
    about: "certificates of every kind, and the tests of e2e with everything encrypted",
    files: ["test/tls/**/*.test.ts", "test/e2e/**/!(openapi|pgbouncer|up).test.ts"],
    needsServers: true,
    isEncrypted: true,
    lane: "calm",
    testLimitMs: 120_000,
  },
  {
    name: "queries",
    about: "every query of dashboards, rules and scaling, on a stack under load (a minute)",
    files: ["test/k8s/queries.test.ts"],
    needsServers: true,
    wantsPrometheus: true,
    lane: "faults",
    testLimitMs: 30_000,
  },
  {
    name: "api",
    about: "the manifests, on a real API server of Kubernetes (./tollgate drill cluster --build)",
    files: ["test/api/**/*.test.ts"],
    needsServers: false,
    lane: "api",
    testLimitMs: 90_000,
  },
  {
    name: "faults",
    about: "processes killed, servers frozen, connections cut",
    files: ["test/faults/**/*.test.ts"],
    needsServers: true,
    lane: "faults",
    testLimitMs: 180_000,
  },
  {
    name: "drills",
    about: "what operators do in an emergency, from end to end (minutes); only by name",
    files: ["test/drills/**/*.test.ts"],
    // They start whole stacks by the commands.
    needsServers: false,
    lane: "alone",
    isOnDemand: true,
    testLimitMs: 300_000,
  },
  {
    name: "ha",
    about:
      "groups of servers whose master dies, freezes or is cut off (only by this name, 10 minutes)",
    files: ["test/ha/**/*.test.ts"],
    needsServers: true,
    lane: "ha",
    isOnDemand: true,
    testLimitMs: 300_000,
  },
];

/** The stage of that name, or all that are run when nobody names one. */
export const stagesOf = (name: StageName | undefined): TestStage[] =>
  TEST_STAGES.filter((stage) =>
    name === undefined ? stage.isOnDemand !== true : stage.name === name,
  );

export interface StageResult {
  name: string;
  passed: number;
  failed: number;
  skipped: number;
  durationMs: number;
}

/** Which tests of a stage to run. */
export interface StageRun {
  stage: TestStage;
  files: readonly string[];
  /** A pattern of test names. */
  namePattern?: string;
}

/**
 * `only` means the files whose path contains it; when there is none in any stage, the tests whose name
 * matches it. Stages without a file are left out.
 */
export function selectTests(
  stages: readonly { stage: TestStage; files: readonly string[] }[],
  only: string | undefined,
): StageRun[] {
  const all = stages.filter(({ files }) => files.length > 0);
  if (only === undefined) return all;
  const byPath = all
    .map(({ stage, files }) => ({ stage, files: files.filter((file) => file.includes(only)) }))
    .filter(({ files }) => files.length > 0);
  return byPath.length > 0 ? byPath : all.map((run) => ({ ...run, namePattern: only }));
}

/** The table of what was run, and the line that scripts read. */
export function formatSummary(results: readonly StageResult[]): string {
  const lines = results.map(({ name, passed, failed, skipped, durationMs }) =>
    [
      failed === 0 ? "✓" : "✗",
      name.padEnd(8),
      `${String(passed).padStart(5)} passed`,
      `${String(failed).padStart(3)} failed`,
      ...(skipped === 0 ? [] : [`${String(skipped).padStart(3)} skipped`]),
      `${(durationMs / 1000).toFixed(1).padStart(6)} s`,
    ].join("  "),
  );
  const sum = (key: "passed" | "failed"): number =>
    results.reduce((total, result) => total + result[key], 0);
  return [...lines, `${sum("passed")} passed, ${sum("failed")} failed`].join("\n");
}
