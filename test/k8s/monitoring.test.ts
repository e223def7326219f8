import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { built, installations } from "./built.ts";
import { constant, dashboards, promqlQueries } from "./dashboards.ts";
import { nameProblems, withoutVariables } from "./promql.ts";
import { type ConfigMap, ofKind, type PrometheusRule, type ScaledObject } from "./resources.ts";

const ROOT = join(import.meta.dir, "../..");
const RULES = join(ROOT, "docker/prometheus-rules.yaml");

const { groups } = Bun.YAML.parse(await Bun.file(RULES).text()) as PrometheusRule["spec"];
const rules = groups.flatMap(({ rules: some }) => some);
const alerts = rules.flatMap(({ alert }) => alert ?? []);
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
const runbooks = await Bun.file(join(ROOT, "docs/operations.md")).text();
const unitTests = await Bun.file(join(import.meta.dir, "rules.test.yaml")).text();

const promtool = Bun.which("promtool");
if (promtool === null) {
  console.warn("SKIPPED, rules are not run: no promtool (apt-get install prometheus has it)");
}

function runPromtool(...args: string[]): { exitCode: number; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([promtool ?? "promtool", ...args], {
    stdout: "pipe",
    stderr: "pipe",
  });
  return { exitCode, output: `${stdout.toString()}${stderr.toString()}` };
}

describe("rules", () => {
  test("read only metrics and labels that exist", () => {
    expect(rules.flatMap(({ expr }) => nameProblems(expr, recorded))).toEqual([]);
  });

  test.each(alerts)("%s has a runbook and a unit test in which it fires", (alert) => {
    const anchor = `docs/operations.md#${alert.toLowerCase()}`;

    expect(rules.find((rule) => rule.alert === alert)?.annotations?.["runbook"]).toBe(anchor);
    expect(runbooks).toContain(`### ${alert}\n`);
    expect(unitTests).toContain(`alertname: ${alert}\n        exp_alerts:`);
  });

  test.skipIf(promtool === null)(
    "pass promtool's unit tests",
    () => {
      const { exitCode, output } = runPromtool(
        "test",
        "rules",
        join(import.meta.dir, "rules.test.yaml"),
      );

      expect(output).toContain("SUCCESS");
      expect(exitCode).toBe(0);
    },
    60_000,
  );
});

describe("dashboards", () => {
  test("are four, under names of their own", () => {
    expect(dashboards.map(({ file, dashboard }) => [file, `${dashboard.uid}.json`])).toEqual(
      ["components", "models", "overview", "quota"].map((name) => [
        `tollgate-${name}.json`,
        `tollgate-${name}.json`,
      ]),
    );
  });

  test("read only metrics and labels that exist", () => {
    const problems = promqlQueries.flatMap(({ dashboard, panel, query }) =>
      nameProblems(query, recorded).map((problem) => `${dashboard}, ${panel}: ${problem}`),
    );

    expect(promqlQueries.length).toBeGreaterThan(40);
    expect(problems).toEqual([]);
  });

  test("have panels that fit side by side under ids of their own", () => {
    for (const { dashboard } of dashboards) {
      const ids = dashboard.panels.map(({ id }) => id);
      const overlapping = dashboard.panels.filter(({ id, gridPos: a }) =>
        dashboard.panels.some(
          ({ id: other, gridPos: b }) =>
            id < other && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h,
        ),
      );

      expect(new Set(ids).size).toBe(ids.length);
      expect(overlapping).toEqual([]);
      expect(dashboard.panels.every(({ gridPos }) => gridPos.x + gridPos.w <= 24)).toBe(true);
    }
  });

  test("know the tiers of tollgate.yaml", async () => {
    const config = Bun.YAML.parse(await Bun.file(join(ROOT, "tollgate.yaml")).text()) as {
      tiers: unknown;
    };

    expect(JSON.parse(constant("tiers"))).toEqual(config.tiers);
  });

  test.skipIf(built === null)("are all in the config map that Grafana's sidecar finds", () => {
    for (const [, resources] of installations) {
      const map = ofKind<ConfigMap>(resources, "ConfigMap").find(
        ({ metadata }) => metadata.labels?.["grafana_dashboard"] === "1",
      );

      expect(Object.keys(map?.data ?? {}).sort()).toEqual(dashboards.map(({ file }) => file));
    }
  });
});

test.skipIf(promtool === null || built === null)(
  "every query of panels and triggers is PromQL",
  async () => {
    const triggers = installations.flatMap(([, resources]) =>
      ofKind<ScaledObject>(resources, "ScaledObject").flatMap(({ spec }) =>
        spec.triggers.flatMap(({ metadata }) => metadata["query"] ?? []),
      ),
    );
    const queries = [...promqlQueries.map(({ query }) => query), ...triggers].map(withoutVariables);
    const folder = mkdtempSync(join(tmpdir(), "tollgate-promql-"));
    const file = join(folder, "queries.yaml");
    const asRules = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
    await Bun.write(file, JSON.stringify({ groups: [{ name: "queries", rules: asRules }] }));

    const { exitCode, output } = runPromtool("check", "rules", file);

    rmSync(folder, { recursive: true });
    expect(output).toContain(`${queries.length} rules found`);
    expect(exitCode).toBe(0);
  },
);
