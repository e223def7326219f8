import type { LoadResult } from "../figures.ts";
import type { Scenario } from "../measure/bench.ts";
import { type Cost, costTable, cpuUsOf, wholeUs } from "../measure/cost.ts";
import { ACCEPT_ONLY, onStack, type Session } from "../measure/session.ts";
import { startBento } from "../peers/bento.ts";
import { median, sum } from "../statistics.ts";

const CONNECTIONS = 128;

/** One of the two, and what was measured of it in all rounds. */
interface Contender {
  name: string;
  url: string;
  /** The part that idles while it is not its turn, which costs a little as well. */
  idlePart: string;
  loads: LoadResult[];
  cpuSeconds: Map<string, number>;
}

const countExpected = (loads: readonly LoadResult[]): number =>
  sum(loads.map(({ expected }) => expected));

/** Medians of the rounds; the CPU of all of them. */
function costOf({ name, loads, cpuSeconds }: Contender): Cost {
  const p50 = median(loads.map(({ latencyMs }) => latencyMs.p50));
  const p99 = median(loads.map(({ latencyMs }) => latencyMs.p99));
  const perSecond = median(loads.map((load) => load.perSecond));
  const cpuUs = cpuUsOf(cpuSeconds, countExpected(loads));
  return { name, perSecond, latencyMs: { p50, p99 }, cpuUs };
}

/** Both in turn, round by round, so that whatever else the machine does meets both alike. */
async function compare(session: Session): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const bento = await startBento(session, undo);
  if (bento === undefined) return;
  const files = await session.generate("short");
  await session.warmUp(files, bento.url);
  await session.warmUp(files);
  const contender = (name: string, url: string, idlePart: string): Contender => {
    return { name, url, idlePart, loads: [], cpuSeconds: new Map() };
  };
  const ours = contender("Tollgate", session.stack.url, "Bento");
  const theirs = contender("Bento, tuned", bento.url, "gateway");
  const [rounds, seconds] = session.isQuick ? [4, 2] : [10, 3];
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, url, idlePart, loads, cpuSeconds } of [ours, theirs]) {
      const pace = { seconds, connections: CONNECTIONS, url };
      const cpuSince = session.sampler.watchCpu();
      loads.push(await session.load(`${name}, round ${round}`, files, pace));
      for (const [part, used] of cpuSince())
        if (part !== idlePart) cpuSeconds.set(part, (cpuSeconds.get(part) ?? 0) + used);
    }
  }
  await bento.judge(countExpected(theirs.loads));

  const costs = [costOf(ours), costOf(theirs)] as const;
  session.table(costTable("The same machine in turn", "what", costs));
  const ratios = ours.loads.map((load, round) => {
    return load.perSecond / (theirs.loads[round]?.perSecond ?? 1);
  });
  session.row("against_bento_tuned", median(ratios));
  const ratio = wholeUs(costs[1]) / wholeUs(costs[0]);
  session.figure("CPU per request, Bento to Tollgate", "×", ratio);
}

export const besideBento: Scenario = {
  name: "beside-bento",
  about: `Tollgate's gateway and the original's design on Bento in turn, ${CONNECTIONS} connections`,
  part: "quick",
  needs: ["wrk", "bento"],
  rows: ["against_bento_tuned"],
  run: onStack({ users: 2_000, notYet: ACCEPT_ONLY }, compare),
};
