import { expect, test } from "bun:test";

import { lineTimeMs } from "./line-time.ts";
import { createLineMerge } from "./merge-lines.ts";

const AT = Date.UTC(2026, 10, 21, 9, 5, 0);
const pino = (ms: number, msg: string): string =>
  JSON.stringify({ level: "info", time: new Date(ms).toISOString(), role: "gateway", msg });

test.each([
  [
    "our components",
    `{"level":"info","time":"2026-11-21T09:05:00.250Z","role":"worker","msg":"x"}`,
  ],
  ["PostgreSQL", "2026-11-21 09:05:00.250 UTC [4711] LOG:  database system is ready"],
  ["RabbitMQ", "2026-11-21 09:05:00.250000+00:00 [info] <0.9.0> started"],
  ["Prometheus", 'time=2026-11-21T09:05:00.250Z level=INFO source=main.go:1 msg="x"'],
  ["Grafana", "logger=settings t=2026-11-21T10:05:00.25+01:00 level=info msg=x"],
])("the time of a line is read as %s writes it", (_name, line) => {
  expect(lineTimeMs(line)).toBe(AT + 250);
});

test("the time of a line of Redis is read in the zone of this machine", () => {
  const local = new Date(2026, 10, 21, 9, 5, 0).getTime();

  expect(lineTimeMs("4711:M 21 Nov 2026 09:05:00.250 * Ready to accept connections")).toBe(
    local + 250,
  );
  expect(lineTimeMs("    at main (gateway/main.ts:1:1)")).toBeUndefined();
});

test("lines of several logs come in the order of their times, whatever the order of reading", () => {
  const merge = createLineMerge();
  merge.add("gateway", [pino(AT + 10, "g1"), "  at a stack trace", pino(AT + 30, "g2")], AT + 100);
  merge.add("worker", [pino(AT + 5, "w1"), pino(AT + 20, "w2")], AT + 100);

  const taken = merge.take(AT + 100);

  expect(taken.map(({ name, line }) => [name, /[gw]\d|stack/.exec(line)?.[0]])).toEqual([
    ["worker", "w1"],
    ["gateway", "g1"],
    ["gateway", "stack"],
    ["worker", "w2"],
    ["gateway", "g2"],
  ]);
});

test("a line that is younger than asked for waits for those that may still come before it", () => {
  const merge = createLineMerge();
  merge.add("gateway", [pino(AT + 50, "late")], AT + 60);
  const early = merge.take(AT + 40);
  merge.add("worker", [pino(AT + 45, "between")], AT + 260);

  expect(early).toEqual([]);
  expect(merge.take(AT + 240).map(({ name }) => name)).toEqual(["worker", "gateway"]);
});

test("a clock that is ahead or goes back neither keeps a line for ever nor turns a log around", () => {
  const merge = createLineMerge();
  merge.add("redis", [pino(AT + 3_600_000, "ahead"), pino(AT - 3_600_000, "back")], AT);

  expect(merge.take(AT).map(({ line }) => /ahead|back/.exec(line)?.[0])).toEqual(["ahead", "back"]);
});

test("a log whose lines begin in the middle of a stack trace starts where its first time does", () => {
  const merge = createLineMerge();
  merge.add("gateway", ["  at the middle", pino(AT + 30, "g")], AT + 100);
  merge.add("worker", [pino(AT + 20, "w")], AT + 100);

  expect(merge.take(AT + 100).map(({ name }) => name)).toEqual(["worker", "gateway", "gateway"]);
});
