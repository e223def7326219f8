import { expect, test } from "bun:test";

import { cpuSeconds, labelOf, type ProcessView, residentBytes } from "./processes.ts";

const view = (pid: number, parent: number, parts: Partial<ProcessView> = {}): ProcessView => ({
  pid,
  parent,
  ticks: 0,
  residentPages: 0,
  sharedPages: 0,
  ...parts,
});
const tableOf = (...views: ProcessView[]) => new Map(views.map((one) => [one.pid, one]));

test("a process counts for its nearest ancestor with a label", () => {
  const processes = tableOf(view(10, 1), view(20, 10), view(30, 20), view(40, 1));
  const labels = new Map([
    [10, "bench"],
    [20, "gateway"],
  ]);

  expect(labelOf(30, processes, labels)).toBe("gateway");
  expect(labelOf(20, processes, labels)).toBe("gateway");
  expect(labelOf(10, processes, labels)).toBe("bench");
  expect(labelOf(40, processes, labels)).toBeUndefined();
});

test("a part took the CPU of all its processes since the first look, whenever they began", () => {
  const before = tableOf(view(10, 1, { ticks: 100 }), view(40, 1, { ticks: 7 }));
  const now = tableOf(
    view(10, 1, { ticks: 150 }),
    view(11, 10, { ticks: 25 }),
    view(40, 1, { ticks: 9 }),
  );

  expect(cpuSeconds(before, now, new Map([[10, "postgres"]]))).toEqual(
    new Map([["postgres", 0.75]]),
  );
});

test("memory shared by the processes of one part is counted once", () => {
  const processes = tableOf(
    view(10, 1, { residentPages: 100, sharedPages: 80 }),
    view(11, 10, { residentPages: 90, sharedPages: 70 }),
  );

  expect(residentBytes(processes, new Map([[10, "postgres"]]))).toEqual(
    new Map([["postgres", 120 * 4_096]]),
  );
});
