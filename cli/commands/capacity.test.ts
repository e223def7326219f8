import { expect, spyOn, test } from "bun:test";
import { Command } from "commander";

import type { CapacityReport } from "../capacity-report.ts";
import { registerCapacity } from "./capacity.ts";

const TRAFFIC = ["--rate", "100", "--prompt-tokens", "300", "--output-tokens", "200"];
const SPEED = ["--tokens-per-second", "40", "--first-token-ms", "500", "--slots", "64"];

/** What the command prints. */
function run(...args: string[]): string {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerCapacity(program);
  for (const command of program.commands)
    command.exitOverride().configureOutput({ writeErr: () => {} });
  const write = spyOn(process.stdout, "write").mockImplementation(() => true);
  try {
    program.parse(["capacity", ...args], { from: "user" });
    return write.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    write.mockRestore();
  }
}

test("capacity says what a traffic needs, as text and as JSON", () => {
  const text = run(...TRAFFIC, ...SPEED);
  const { plan } = JSON.parse(run(...TRAFFIC, ...SPEED, "--json")) as CapacityReport;

  expect(text).toContain("ML replicas            13\n");
  expect(text).toContain("workers                25\n");
  expect([plan.workers, plan.mlReplicas]).toEqual([25, 13]);
});

test("capacity says how the queue grows with fewer replicas than needed", () => {
  const text = run(...TRAFFIC, ...SPEED, "--replicas", "5", "--minutes", "10");

  expect(text).toContain("the queue grows by     42 requests/s");
  expect(text).toContain("the last one waits     7.19 min");
});

test("capacity says which bound is too low", () => {
  const text = run(...TRAFFIC, ...SPEED, "--rate", "1000");

  expect(text).toContain("workers                246   more than the bound of 100");
});

test.each([
  ["--rate", "0"],
  ["--failed", "1"],
  ["--slots", "1.5"],
  ["--utilisation", ""],
])("capacity refuses %s %p", (flag, value) => {
  expect(() => run(...TRAFFIC, ...SPEED, flag, value)).toThrow("must be");
});

test("a rate is read as it is printed", () => {
  const planOf = (rate: string): unknown =>
    (JSON.parse(run("--rate", rate, ...TRAFFIC.slice(2), ...SPEED, "--json")) as CapacityReport)
      .plan;

  expect(planOf("1,000")).toEqual(planOf("1000"));
});
