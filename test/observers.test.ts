import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startObservers, stopObservers } from "../local/observe/observe.ts";
import { countSeries, findPrometheus } from "../local/observe/prometheus.ts";
import { statePaths } from "../adapters/state/paths.ts";
import { listProcesses, type ProcessRow } from "../local/process-list.ts";
import type { Progress } from "../adapters/terminal/progress.ts";
import { eventually } from "../local/stack/eventually.ts";

const searchPath = process.env["PATH"] ?? "";
const isInstalled = findPrometheus(searchPath) !== null;
if (!isInstalled)
  console.warn("SKIPPED, what up --observe starts: no prometheus (apt-get install prometheus)");

const LIMIT_MS = 60_000;
const ANSWER_LIMIT_MS = 5_000;
const paths = statePaths(mkdtempSync(join(tmpdir(), "tollgate-observers-")));
const quiet: Progress = { say: () => {}, step: (_label, act) => act() };

/** A gateway as far as Prometheus looks at it. */
const gateway = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () => new Response("gateway_oldest_waiting_seconds 7\n"),
});

afterAll(async () => {
  await stopObservers(paths);
  await gateway.stop(true);
  rmSync(paths.dir, { recursive: true, force: true });
});

/** What `ps` shows; Grafana may be there too. */
const rows = (): ProcessRow[] =>
  listProcesses(paths).filter(({ component }) => component === "prometheus");

const observed = {
  targets: {
    gateway: [`http://127.0.0.1:${gateway.port}/metrics`],
    worker: [],
    collector: [],
  },
  postgres: "postgres://tollgate@127.0.0.1:5432/tollgate",
};

describe.skipIf(!isInstalled)("what up --observe starts", () => {
  test(
    "reads the metrics, has the rules, is listed, and is stopped with its data kept",
    async () => {
      const { prometheus } = await startObservers(paths, quiet, { PATH: searchPath }, observed);

      await eventually("a sample of the gateway", LIMIT_MS, async () => {
        const query = 'gateway_oldest_waiting_seconds{job="gateway",namespace="tollgate"}';
        return (await countSeries(prometheus, query, ANSWER_LIMIT_MS)) || undefined;
      });
      const reply = await fetch(`${prometheus}/api/v1/rules`);
      expect(await reply.text()).toContain("TollgateRequestsWaitTooLong");
      expect(rows()).toMatchObject([
        { state: "running", ports: [Number(new URL(prometheus).port)] },
      ]);

      await stopObservers(paths);

      expect(rows()).toEqual([]);
      expect(existsSync(join(paths.servers, "prometheus", "data"))).toBe(true);
      const asked = countSeries(prometheus, "vector(1)", ANSWER_LIMIT_MS);
      expect(await asked.catch(() => "gone")).toBe("gone");
    },
    LIMIT_MS,
  );

  test(
    "is not started where PROMETHEUS_URL names another; one that does not read our metrics is told of",
    async () => {
      const other = statePaths(join(paths.dir, "other"));
      const said: string[] = [];
      const env = { PATH: searchPath };
      const nothing = { ...observed, targets: { gateway: [], worker: [], collector: [] } };
      const { prometheus } = await startObservers(other, quiet, env, nothing);
      try {
        const given = { ...env, PROMETHEUS_URL: prometheus };
        const progress = { ...quiet, say: (line: string) => void said.push(line) };

        expect((await startObservers(paths, progress, given, observed)).prometheus).toBe(
          prometheus,
        );

        expect(rows()).toEqual([]);
        expect(said.join("\n")).toContain("docker/prometheus.yml");
      } finally {
        await stopObservers(other);
      }
    },
    LIMIT_MS,
  );
});
