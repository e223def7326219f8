import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { findBinaries } from "../../local/servers/binaries.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { commandsWith, jsonOf, type Tollgate } from "../cli/command.ts";
import { copyCheckout } from "../support/copy-checkout.ts";

const isInstalled = Object.keys(findBinaries(process.env["PATH"] ?? "")).length === 3;
if (!isInstalled)
  console.warn("SKIPPED, what up starts by itself: PostgreSQL, Redis or RabbitMQ is not installed");

const UP_LIMIT_MS = 110_000;

interface Row {
  component: string;
  state: string;
  pid: number | null;
  ports: number[];
  restarts: number;
}

describe.skipIf(!isInstalled)("a stack of this machine", () => {
  let folder: string;
  let tollgate: Tollgate;
  let deadModel: Record<string, string>;

  beforeAll(async () => {
    folder = copyCheckout();
    const [gateway, metrics, worker, collector, simulator, nobody] = await findFreePorts(6);
    const env = {
      TOLLGATE_SERVERS: "local",
      TOLLGATE_GATEWAY__PORT: String(gateway),
      TOLLGATE_GATEWAY__METRICS_PORT: String(metrics),
      TOLLGATE_WORKER__METRICS_PORT: String(worker),
      TOLLGATE_COLLECTOR__METRICS_PORT: String(collector),
      ML_SIM_PORT: String(simulator),
    };
    deadModel = { ...env, TOLLGATE_MODELS__SIM_CHAT__URL: `http://127.0.0.1:${nobody}/v1` };
    tollgate = commandsWith(deadModel, folder, UP_LIMIT_MS);
  });
  afterAll(async () => {
    await tollgate("down", "--purge", "--yes");
    rmSync(folder, { recursive: true, force: true });
  });

  // It says something about what stands: an exit code of 1 means that something of it does not run.
  const rows = async (): Promise<Row[]> =>
    JSON.parse((await tollgate("ps", "--json")).out) as Row[];
  const rowOf = async (name: string): Promise<Row | undefined> =>
    (await rows()).find(({ component }) => component === name);

  test(
    "stays up when the first request cannot complete, and says which model does not answer",
    async () => {
      const ran = await tollgate("up", "--detach");

      expect({ exitCode: ran.exitCode, err: ran.err }).toEqual({ exitCode: 0, err: "" });
      expect(ran.out).toContain("! The first request did not complete");
      expect(ran.out).toContain("the model sim-chat is paused, its ML service");
      const states = new Set((await rows()).map(({ state }) => state));
      expect(states).toEqual(new Set(["running"]));
    },
    UP_LIMIT_MS,
  );

  test("another model of it works, and nothing is left of the first request", async () => {
    const other = await tollgate("generate", "hello", "--model", "sim-json", "--timeout", "20");
    const open = await tollgate("request", "list", "--status", "queued", "--json");

    expect(other.exitCode).toBe(0);
    expect(jsonOf(open)).toMatchObject({ requests: [] });
  }, 60_000);

  test("a server that is killed is started again on its port, and all goes on", async () => {
    const before = await rowOf("redis");
    if (before?.pid === null || before?.pid === undefined) throw new Error("Redis does not run");

    process.kill(before.pid, "SIGKILL");
    const after = await eventually("Redis runs again", 30_000, async () => {
      const row = await rowOf("redis");
      return row?.state === "running" && row.pid !== before.pid ? row : undefined;
    });
    const again = await eventually("a request completes", 30_000, async () => {
      const ran = await tollgate("generate", "hello", "--model", "sim-json", "--timeout", "20");
      return ran.exitCode === 0 ? ran : undefined;
    });

    expect(after).toMatchObject({ ports: before.ports, restarts: 1 });
    expect(again.exitCode).toBe(0);
  }, 90_000);

  test("up on what runs says so, and what had ended by then", async () => {
    const { pid } = (await rowOf("collector")) ?? {};
    process.kill(pid ?? 0, "SIGKILL");

    const ran = await tollgate("up", "--detach");

    expect(ran.exitCode).toBe(EXIT.alreadyRunning);
    expect(ran.err).toContain("already up, detached");
    expect((await rowOf("collector"))?.state).toBe("running");
  }, 60_000);
});
