import { expect, test } from "bun:test";

import type { Sample } from "../figures.ts";
import { sampleAt, sampleLoad } from "../report/samples.ts";
import { costOfTurns, ratioOfTurns, takeTurns, type Turns } from "./turns.ts";

const files = { json: "", raw: "" };

/**
 * Lets two contenders take turns. Loads answer at these rates, each within a second in which all parts use
 * half a core.
 */
async function turnsAt(...rates: number[]): Promise<[ours: Turns, theirs: Turns]> {
  const samples: Sample[] = [];
  const cores = { gateway: 0.5, Bento: 0.5, redis: 0.5, generator: 0.5 };
  const contenders = [
    { name: "ours", part: "gateway" },
    { name: "theirs", part: "Bento" },
  ];
  const session = {
    load: () => {
      samples.push(sampleAt(samples.length + 1, cores));
      const perSecond = rates.shift() ?? 0;
      return Promise.resolve(sampleLoad({ perSecond, expected: perSecond }));
    },
    sampler: { samples: () => samples, restart: () => {}, watch: () => {} },
  };
  const pace = { seconds: 1, connections: 1 };
  return (await takeTurns(session, contenders, files, rates.length / 2, pace)) as [Turns, Turns];
}

test("contenders are compared round by round, by the median of the rounds", async () => {
  const [ours, theirs] = await turnsAt(200, 100, 90, 30, 400, 50);

  expect(ours.loads.map(({ perSecond }) => perSecond)).toEqual([200, 90, 400]);
  expect(ratioOfTurns(ours, theirs)).toBe(3);
});

test("a turn costs its own part and the servers, not the parts of those who idle", async () => {
  const [ours, theirs] = await turnsAt(1_000, 500);

  expect(Object.fromEntries(costOfTurns(ours).cpuUs)).toEqual({ gateway: 500, redis: 500 });
  expect(Object.fromEntries(costOfTurns(theirs).cpuUs)).toEqual({ Bento: 1_000, redis: 1_000 });
});
