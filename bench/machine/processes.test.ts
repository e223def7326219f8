import { expect, test } from "bun:test";

import { labelOf, type ProcessView, usageByLabel } from "./processes.ts";

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

test("memory shared by the processes of one part is counted once", () => {
  const processes = tableOf(
    view(10, 1, { residentPages: 100, sharedPages: 80, ticks: 5 }),
    view(11, 10, { residentPages: 90, sharedPages: 70, ticks: 7 }),
  );

  const usage = usageByLabel(processes, new Map([[10, "postgres"]])).get("postgres");

  expect(usage).toMatchObject({ ownBytes: 40 * 4_096, sharedBytes: 80 * 4_096 });
  expect([...(usage?.ticksByPid.values() ?? [])]).toEqual([5, 7]);
});
