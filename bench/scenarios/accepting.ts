import { peakMegabytes } from "../machine/sampler.ts";
import type { Scenario } from "../measure/bench.ts";
import { climb, mostPerSecond } from "../measure/climb.ts";
import { countExpected, noteCosts } from "../measure/cost.ts";
import { ACCEPT_ONLY, onStack, withStack } from "../measure/session.ts";

const RATES = [500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 10_000, 12_000];
const RATES_QUICK = [1_000, 3_000, 6_000];

export const acceptFrontier: Scenario = {
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
    const loads = await climb(session, files, rates, pace);
    session.row("accepted_per_second", mostPerSecond(loads));
    const megabytes = peakMegabytes(session.sampler.samples(), "gateway");
    session.row("gateway_memory_mb", megabytes / session.stack.gateways.length);
    noteCosts(session, countExpected(loads));
  }),
};

export const hotUser: Scenario = {
  name: "hot-user",
  about: "POST /generate of a single user, closed loop: every hold is taken from the same counters",
  part: "full",
  needs: ["wrk"],
  run: onStack({ users: 1, notYet: ACCEPT_ONLY }, async (session) => {
    const files = await session.generate("short");
    await session.warmUp(files);
    const pace = { seconds: 8, connections: 64 };
    const load = await session.load("64 connections, one user", files, pace);
    session.figure("accepted per second, one user", "req/s", load.perSecond);
  }),
};

const STORM_USERS = 100;
const STORM_RATE = 2_000;
const ADMITTED_SHARE = 0.1;

export const quotaStorm: Scenario = {
  name: "quota-storm",
  about: "POST /generate at 2,000/s, nine calls in ten over quota: exactly what fits is admitted",
  part: "quick",
  run: (bench) => {
    const seconds = bench.isQuick ? 5 : 20;
    const calls = STORM_RATE * seconds;
    const dailyRequests = Math.round((calls * ADMITTED_SHARE) / STORM_USERS);
    const options = { users: STORM_USERS, dailyRequests, notYet: ACCEPT_ONLY };
    return withStack(bench, options, async (session) => {
      const pace = { ratePerSecond: STORM_RATE, seconds, connections: 128, status: 429 };
      const load = await session.load("refusals at 2,000/s", await session.generate("short"), pace);
      const admitted = load.unexpected["202"] ?? 0;
      session.figure("refusal, p99", "ms", load.latencyMs.p99);
      session.figure("admitted of all calls", "%", (admitted / calls) * 100);
      const fitting = STORM_USERS * dailyRequests;
      if (admitted !== fitting)
        session.fail(`${fitting} requests fit into the quotas, ${admitted} were admitted`);
    });
  },
};
