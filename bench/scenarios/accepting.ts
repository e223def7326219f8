import { join } from "node:path";

import { ROLES } from "../../local/roles.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Pace } from "../load/run-load.ts";
import { peakMegabytes } from "../machine/sampler.ts";
import type { Scenario } from "../measure/bench.ts";
import { costTable, type LoadCost, measureCost } from "../measure/cost.ts";
import { ACCEPT_ONLY, onStack, type Session } from "../measure/session.ts";
import { startPeer } from "../peers/peer.ts";

const CONNECTIONS = [8, 16, 32, 64, 128, 256, 512];
const CONNECTIONS_QUICK = [64, 256];
/** A step that reaches less of its rate has met the limit. */
const REACHED_SHARE = 0.9;

/**
 * Open loop at growing rates until one is not reached, over the connections of `pace`, then closed loop at
 * growing numbers of connections. Notes what a request costs at each step.
 */
async function climb(
  session: Session,
  files: CallFiles,
  rates: readonly number[],
  pace: Pace,
): Promise<LoadCost[]> {
  const steps: LoadCost[] = [];
  for (const ratePerSecond of rates) {
    const name = `${ratePerSecond.toLocaleString("en")}/s`;
    const step = await measureCost(session, name, files, { ...pace, ratePerSecond });
    steps.push(step);
    if (step.perSecond < ratePerSecond * REACHED_SHARE) break;
  }
  for (const connections of session.isQuick ? CONNECTIONS_QUICK : CONNECTIONS) {
    const name = `${connections} connections`;
    steps.push(await measureCost(session, name, files, { ...pace, connections }));
  }
  session.table(costTable("What an acceptance costs", "load", steps));
  return steps;
}

const mostPerSecond = (steps: readonly LoadCost[]): number =>
  Math.max(0, ...steps.map(({ perSecond }) => perSecond));

const RATES = [500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 10_000, 12_000];
const RATES_QUICK = [1_000, 3_000, 6_000];
const P99_BOUNDS_MS = [10, 25];

export const frontier: Scenario = {
  name: "frontier",
  about: "POST /generate up to saturation: growing rates, then growing connections; no worker runs",
  part: "quick",
  needs: ["wrk"],
  rows: ["accepted_per_second", "gateway_memory_mb"],
  run: onStack({ users: 2_000, notYet: ACCEPT_ONLY }, async (session) => {
    const files = await session.generate("short");
    await session.warmUp(files);
    const rates = session.isQuick ? RATES_QUICK : RATES;
    const pace = { connections: 256, seconds: session.isQuick ? 3 : 8 };
    const steps = await climb(session, files, rates, pace);
    session.row("accepted_per_second", mostPerSecond(steps));
    for (const bound of P99_BOUNDS_MS) {
      const below = steps.filter(({ latencyMs }) => latencyMs.p99 < bound);
      const what = `accepted per second with p99 below ${bound} ms, most`;
      session.figure(what, "req/s", mostPerSecond(below));
    }
    const megabytes = peakMegabytes(session.sampler.samples(), "gateway");
    session.row("gateway_memory_mb", megabytes / session.stack.gateways.length);
  }),
};

const ECHO = [process.execPath, join(import.meta.dir, "../peers/echo/main.ts")];

export const echo: Scenario = {
  name: "echo",
  about:
    "the ceiling: a bare Elysia route that checks the body, responds with 202 and does no more",
  part: "quick",
  needs: ["wrk"],
  // A stack of which only the servers are there.
  run: onStack({ users: 2_000, notYet: ROLES }, async (session) => {
    await using undo = new AsyncDisposableStack();
    const env = { NODE_ENV: "production" };
    const url = await startPeer(session, { part: "echo", command: ECHO, env }, undo);
    const files = await session.generate("short");
    await session.warmUp(files, url);
    const pace = { connections: 128, seconds: session.isQuick ? 2 : 8, url };
    const steps = await climb(session, files, [1_000], pace);
    session.figure("accepted per second, most", "req/s", mostPerSecond(steps));
  }),
};
