import type { Scenario } from "../measure/bench.ts";
import {
  climb,
  CONNECTIONS,
  CONNECTIONS_QUICK,
  countExpected,
  frontier,
  FRONTIER_P99_MS,
  mostPerSecond,
  warmUp,
} from "../measure/climb.ts";
import { noteCosts } from "../measure/cost.ts";
import { ACCEPT_ONLY, onStack } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { peakMegabytes } from "../machine/sampler.ts";

const RATES = [500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 10_000, 12_000];
const FULL = { rates: RATES, connections: CONNECTIONS, seconds: 8 };
const QUICK = { rates: [1_000, 3_000, 6_000], connections: CONNECTIONS_QUICK, seconds: 3 };

export const acceptFrontier: Scenario = {
  name: "frontier",
  about: "POST /generate up to saturation: growing rates, then growing connections; no worker runs",
  part: "quick",
  needs: ["wrk"],
  rows: ["accepted_per_second", "gateway_memory_mb"],
  run: onStack({ users: 2_000, notYet: ACCEPT_ONLY }, async (session) => {
    const bodies = await shortBodies(500);
    await warmUp(session, bodies);
    const steps = session.isQuick ? QUICK : FULL;
    const loads = await climb(session, session.generate(bodies), {
      ...steps,
      connectionsAtRate: 256,
    });
    for (const p99Ms of FRONTIER_P99_MS) {
      const what = `accepted per second with p99 below ${p99Ms} ms`;
      session.figure(what, "req/s", frontier(loads, p99Ms));
    }
    session.row("accepted_per_second", mostPerSecond(loads));
    const megabytes = peakMegabytes(session.sampler.samples(), "gateway");
    session.row("gateway_memory_mb", megabytes / session.stack.gateways.length);
    noteCosts(session, countExpected(loads));
  }),
};
