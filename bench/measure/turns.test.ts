import { expect, test } from "bun:test";

import type { Sample } from "../figures.ts";
import { sampleLoad } from "../report/sample-report.ts";
import type { Loads } from "./loads.ts";
import { contender, costOfTurns, ratioOfTurns, takeTurns } from "./turns.ts";

const files = { json: "", raw: "" };
const ours = () => contender({ title: "ours", part: "gateway", column: "gateway", files });
const theirs = () => contender({ title: "theirs", part: "peer", column: "Bento", files });

/** Loads that answer at these rates in turn, each within a second in which all parts use half a core. */
function loadsAt(...rates: number[]): Loads {
  const samples: Sample[] = [];
  return {
    calls: () => files,
    unmeasured: () => Promise.reject(new Error("not expected")),
    load: () => {
      const cores = { gateway: 0.5, peer: 0.5, redis: 0.5, generator: 0.5 };
      samples.push({ atSeconds: samples.length + 1, cores, bytes: {}, queues: {} });
      const perSecond = rates.shift() ?? 0;
      return Promise.resolve(sampleLoad({ perSecond, expected: perSecond }));
    },
    sampler: { samples: () => samples, restart: () => {}, watch: () => {} },
  };
}

test("contenders are compared round by round, by the median of the rounds", async () => {
  const [a, b] = [ours(), theirs()];

  await takeTurns(loadsAt(200, 100, 90, 30, 400, 50), [a, b], 3, { seconds: 1, connections: 1 });

  expect(a.loads.map(({ perSecond }) => perSecond)).toEqual([200, 90, 400]);
  expect(ratioOfTurns(a, b)).toBe(3);
});

test("a turn costs its own part and the servers, not the parts of those who idle", async () => {
  const [a, b] = [ours(), theirs()];

  await takeTurns(loadsAt(1_000, 500), [a, b], 1, { seconds: 1, connections: 1 });

  expect([...costOfTurns(a).cpuUs]).toEqual([
    ["gateway", 500],
    ["redis", 500],
  ]);
  expect([...costOfTurns(b).cpuUs]).toEqual([
    ["Bento", 1_000],
    ["redis", 1_000],
  ]);
});
