import type { LoadResult } from "../figures.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { costFigures, peakMegabytes } from "../stack/sampler.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const USERS = 2_000;
const BODIES = 500;
/** Loads every user's key and quota into the caches, and lasts until Bun has compiled what runs often: cold code costs half as much again. */
const WARM_UP = { ratePerSecond: 1_200, seconds: 5, connections: 64 };

export async function warmUp(session: Session, bodies: readonly unknown[]): Promise<void> {
  await session.unmeasured({
    ...WARM_UP,
    name: "warm-up",
    generator: "paced",
    files: session.generate(bodies),
    expectStatus: 202,
  });
  session.stack.restartSamples();
}

export const acceptSteady: Scenario = {
  name: "accept",
  about: "POST /generate at a constant 1,000/s, thousands of users, no worker running",
  inQuick: false,
  needs: ["k6"],
  run: (context) =>
    withSession(context, { users: USERS, notYet: ["worker", "collector"] }, async (session) => {
      const bodies = await shortBodies(BODIES);
      await warmUp(session, bodies);
      const result = await session.load({
        name: "accept at 1,000/s",
        generator: "k6",
        files: session.generate(bodies),
        ratePerSecond: 1_000,
        seconds: context.isQuick ? 5 : 20,
        connections: 100,
        expectStatus: 202,
      });
      session.figure({ what: "accept at 1,000/s, p99", unit: "ms", value: result.latencyMs.p99 });
    }),
};

const RATES = [500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 10_000, 12_000];
const RATES_QUICK = [1_000, 3_000, 6_000];
const CONNECTIONS = [8, 16, 32, 64, 128, 256, 512];
const CONNECTIONS_QUICK = [64, 256];
/** A step that reaches less of its rate has met the limit. */
const REACHED_SHARE = 0.9;

export const FRONTIER_P99_MS = [5, 10, 25, 50, 100] as const;

/** The most that was answered per second while the 99th percentile stayed below a bound; 0 when it never did. */
export function frontier(loads: readonly LoadResult[], p99Ms: number): number {
  return Math.max(
    0,
    ...loads.filter(({ latencyMs }) => latencyMs.p99 < p99Ms).map(({ perSecond }) => perSecond),
  );
}

/** Open loop at growing rates until one is not reached, then closed loop at growing numbers of connections. */
export async function climb(session: Session, files: Session["generate"]): Promise<LoadResult[]> {
  const bodies = await shortBodies(BODIES);
  const loads: LoadResult[] = [];
  const seconds = session.isQuick ? 3 : 8;
  for (const ratePerSecond of session.isQuick ? RATES_QUICK : RATES) {
    const load = await session.load({
      name: `${ratePerSecond.toLocaleString("en")}/s`,
      generator: "paced",
      files: files(bodies),
      ratePerSecond,
      seconds,
      connections: 256,
      expectStatus: 202,
    });
    loads.push(load);
    if (load.perSecond < ratePerSecond * REACHED_SHARE) break;
  }
  for (const connections of session.isQuick ? CONNECTIONS_QUICK : CONNECTIONS) {
    loads.push(
      await session.load({
        name: `${connections} connections`,
        generator: "wrk",
        files: files(bodies),
        seconds,
        connections,
        expectStatus: 202,
      }),
    );
  }
  return loads;
}

export const acceptFrontier: Scenario = {
  name: "frontier",
  about:
    "POST /generate up to saturation: open loop at growing rates, closed loop at growing connections; no worker running",
  inQuick: true,
  needs: ["wrk"],
  run: (context) =>
    withSession(context, { users: USERS, notYet: ["worker", "collector"] }, async (session) => {
      await warmUp(session, await shortBodies(BODIES));
      const loads = await climb(session, session.generate);
      for (const p99Ms of FRONTIER_P99_MS) {
        session.figure({
          what: `accepted per second with p99 below ${p99Ms} ms`,
          unit: "req/s",
          value: frontier(loads, p99Ms),
        });
      }
      session.figure({
        target: "accepted_per_second",
        what: "accepted per second, most",
        unit: "req/s",
        value: Math.max(...loads.map(({ perSecond }) => perSecond)),
      });
      session.figure({
        target: "gateway_memory_mb",
        what: "resident memory of the gateway, most, per process",
        unit: "MB",
        value: peakMegabytes(session.stack.samples(), "gateway") / session.stack.gateways.length,
      });
      const accepted = loads.reduce((sum, { expected }) => sum + expected, 0);
      for (const figure of costFigures(session.stack.samples(), accepted)) session.figure(figure);
    }),
};

export const acceptHotUser: Scenario = {
  name: "hot-user",
  about: "POST /generate of a single user, closed loop: every hold is taken from the same counters",
  inQuick: false,
  needs: ["wrk"],
  run: (context) =>
    withSession(context, { users: 1, notYet: ["worker", "collector"] }, async (session) => {
      const bodies = await shortBodies(BODIES);
      await warmUp(session, bodies);
      const result = await session.load({
        name: "64 connections, one user",
        generator: "wrk",
        files: session.generate(bodies),
        seconds: 8,
        connections: 64,
        expectStatus: 202,
      });
      session.figure({
        what: "accepted per second, one user",
        unit: "req/s",
        value: result.perSecond,
      });
    }),
};
