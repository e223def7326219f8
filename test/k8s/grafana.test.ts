import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { defaultDashboard } from "@grafana/schema";

import schemaPackage from "@grafana/schema/package.json" with { type: "json" };
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { dashboards } from "./dashboards.ts";
import { PANEL_KINDS } from "./grafana-schema.ts";

const COMPILE_LIMIT_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "tollgate-grafana-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Json = Readonly<Record<string, unknown>>;

/**
 * A program that compiles only if each value may be what it is declared to be. One line a value, named by
 * `names`.
 */
function declare(values: readonly { type: string; value: unknown }[]): string {
  return [
    `import type { Frame, PanelOf, Row } from ${JSON.stringify(join(import.meta.dir, "grafana-schema.ts"))};`,
    ...values.map(
      ({ type, value }, i) => `export const v${i}: ${type} = ${JSON.stringify(value)};`,
    ),
  ].join("\n");
}

/** What the compiler says, by value; empty when all are right. */
function compile(values: readonly { name: string; type: string; value: unknown }[]): string[] {
  writeFileSync(join(folder, "dashboards.ts"), declare(values));
  const config = {
    extends: join(PROJECT_ROOT, "tsconfig.json"),
    compilerOptions: { types: [], noUnusedLocals: false },
    files: ["dashboards.ts"],
    // Not the project's own files, which have a check of their own.
    include: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const { stdout } = Bun.spawnSync(
    [process.execPath, "x", "--no-install", "tsc", "--pretty", "false", "--project", folder],
    { cwd: PROJECT_ROOT, timeout: COMPILE_LIMIT_MS },
  );
  return (
    stdout
      .toString()
      .split("\n")
      // A message may continue in indented lines.
      .filter((line) => /^\S/.test(line))
      .map((line) => {
        const [, number = "", message = line] =
          /dashboards\.ts\((\d+),\d+\): (.*)/.exec(line) ?? [];
        // The first line is the import.
        return `${values[Number(number) - 2]?.name ?? ""}: ${message}`;
      })
  );
}

const isKnownKind = (type: string): boolean => PANEL_KINDS.some((kind) => kind === type);

const declarations = dashboards.flatMap(({ file, dashboard }) => {
  const { panels, ...frame } = dashboard;
  return [
    { name: file, type: "Frame", value: frame },
    ...panels.map((panel) => ({
      name: `${file}, ${panel.title}`,
      type: panel.type === "row" ? "Row" : `PanelOf<${JSON.stringify(panel.type)}>`,
      value: panel as unknown as Json,
    })),
  ];
});

test("the schema is that of the Grafana that the Compose file runs", async () => {
  const compose = await Bun.file(join(PROJECT_ROOT, "docker/compose.yaml")).text();

  expect(compose).toContain(`grafana/grafana:${schemaPackage.version}`);
});

test("dashboards are not newer than Grafana, which brings older ones up to date", () => {
  const newest = defaultDashboard.schemaVersion ?? 0;

  for (const { dashboard } of dashboards) {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    expect(dashboard.schemaVersion).toBeLessThanOrEqual(newest);
  }
});

test("every panel is of a kind whose options are checked", () => {
  const kinds = dashboards.flatMap(({ dashboard }) => dashboard.panels.map(({ type }) => type));

  expect(kinds.filter((kind) => kind !== "row" && !isKnownKind(kind))).toEqual([]);
});

test(
  "dashboards, panels, options and queries have only fields and values that Grafana's schema knows",
  () => {
    expect(compile(declarations)).toEqual([]);
  },
  COMPILE_LIMIT_MS,
);

test(
  "a field or value that the schema does not know is found",
  () => {
    const panel = declarations.find(({ type }) => type === 'PanelOf<"timeseries">');
    if (panel === undefined) throw new Error("there is no panel with a graph");
    const options = { legend: { displayMode: "lost", placement: "bottom" } };

    const problems = compile([
      { ...panel, name: "field", value: { ...(panel.value as object), tittle: "x" } },
      { ...panel, name: "value", value: { ...(panel.value as object), options } },
      { ...panel, name: "whole" },
    ]);

    expect(problems.map((problem) => problem.split(":")[0])).toEqual(["field", "value"]);
  },
  COMPILE_LIMIT_MS,
);
