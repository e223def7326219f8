import { measureCost } from "../growth/cost.ts";
import { bendsOf, type GrowthRow, growthTable } from "../growth/table.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { peakMegabytes } from "../stack/sampler.ts";
import { warmUp } from "./accept.ts";
import type { BenchContext, Measured, Scenario } from "./scenario.ts";
import { withSession } from "./session.ts";

const COUNTS = [1, 2, 4];
const USERS = 2_000;
const RATE = 1_000;
const QUIET_MS = 120_000;

/** So many gateways, workers and collectors: what a request costs at a fixed rate, and how many are accepted at most. */
async function measureWith(
  context: BenchContext,
  count: number,
): Promise<{ measured: Measured; row: GrowthRow }> {
  const rows: GrowthRow[] = [];
  const processes = { gateways: count, workers: count, collectors: count };
  const measured = await withSession(
    context,
    { users: USERS, ...processes, quietWithinMs: QUIET_MS },
    async (session) => {
      const bodies = await shortBodies(500);
      await warmUp(session, bodies);
      const files = session.generate(bodies);
      const seconds = context.isQuick ? 6 : 15;
      const wish = { files, seconds, expectStatus: 202 };
      const cost = await measureCost(session, {
        ...wish,
        name: `${count} of each, everything on`,
        generator: "paced",
        ratePerSecond: RATE,
        connections: 128,
      });
      const samples = session.stack.samples();
      const most = await session.load({
        ...wish,
        name: `${count} of each, 256 connections`,
        generator: "wrk",
        connections: 256,
      });
      rows.push({
        size: String(count),
        cost,
        extra: {
          "accepted per second, most": most.perSecond,
          "gateways, MB": peakMegabytes(samples, "gateway"),
          "workers, MB": peakMegabytes(samples, "worker"),
        },
      });
    },
  );
  const [row] = rows;
  if (row === undefined) throw new Error("nothing was measured");
  return { measured, row };
}

export const growthProcesses: Scenario = {
  name: "growth-processes",
  about:
    "1, 2 and 4 gateways, workers and collectors: what a request costs at 1,000/s, everything on, and how many are accepted while all is worked off",
  inQuick: true,
  onlyWith: "growth",
  needs: ["wrk"],
  run: async (context) => {
    const all: Measured = { figures: [], loads: [], samples: [], notes: [], failures: [] };
    const rows: GrowthRow[] = [];
    for (const count of COUNTS) {
      const { measured, row } = await measureWith(context, count);
      rows.push(row);
      all.loads.push(...measured.loads);
      all.samples = measured.samples;
      all.failures.push(...measured.failures.map((failure) => `${count} of each: ${failure}`));
    }
    all.tables = [growthTable("By processes of each kind", "of each", rows)];
    all.notes.push(...bendsOf(rows));
    all.notes.push("the charts are those of the last number of processes");
    return all;
  },
};
