import { expect } from "bun:test";

import { scenariosOnStack } from "./scenarios.ts";

const scenario = scenariosOnStack();

scenario("without a fault the checker finds nothing wrong", () => Bun.sleep(2_000), {
  expectAlso: (report) => {
    expect(report.attempted).toBeGreaterThan(100);
    expect(report.ok).toBe(report.attempted);
    expect(report.tokens.simulator).toBe(report.tokens.ledger);
  },
});
