import { expect, test } from "bun:test";

import { judgeStack, type Stack, type StackState } from "./supervised-stack.ts";

const OWNER = { pid: 10, started: "a" };
const SUPERVISOR = { pid: 11, started: "b" };
const GATEWAY = { pid: 12, started: "c" };

const stack = (owned: boolean): Stack => ({
  ...(owned ? { owner: OWNER } : {}),
  supervisor: SUPERVISOR,
  started_at: "2026-11-21T00:00:00Z",
  components: [
    {
      name: "gateway",
      state: "running",
      identity: GATEWAY,
      ports: [8080],
      restarts: 0,
      started_at: "2026-11-21T00:00:00Z",
    },
  ],
});

const cases: [string, Stack | undefined, number[], StackState][] = [
  ["nothing was ever started", undefined, [], "none"],
  ["detached and well", stack(false), [11, 12], "running"],
  ["in a terminal and well", stack(true), [10, 11, 12], "running"],
  ["its up was killed", stack(true), [11, 12], "abandoned"],
  ["its supervisor was killed", stack(true), [10, 12], "abandoned"],
  ["its detached supervisor was killed", stack(false), [12], "abandoned"],
  ["everything was killed, as by a reboot", stack(false), [], "none"],
];

test.each(cases)("what up finds is judged: %s", (_name, found, alive, expected) => {
  expect(judgeStack(found, ({ pid }) => alive.includes(pid))).toBe(expected);
});
