import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ComponentPlan } from "../components.ts";
import { isRunning } from "../processes/process-identity.ts";
import { restartDelayMs, superviseComponent } from "./supervise.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-supervise-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const component = (name: ComponentPlan["name"], script: string): ComponentPlan => {
  const entry = join(folder, `${name}.ts`);
  writeFileSync(entry, script);
  return {
    name,
    entry,
    ports: [{ variable: "X", number: 1 }],
    healthUrl: "http://127.0.0.1:1/",
    tls: undefined,
    env: { WORD: "here" },
  };
};

/** Resolves when the note matches; the test's own time limit ends the wait otherwise. */
async function noted(isDone: () => boolean, changes: { next: () => Promise<void> }): Promise<void> {
  while (!isDone()) await changes.next();
}

function changeSignal() {
  let wake = Promise.withResolvers<void>();
  return {
    next: () => wake.promise,
    announce: () => {
      wake.resolve();
      wake = Promise.withResolvers();
    },
  };
}

describe("a component", () => {
  test("that ends is started again, and is not once it is to stop", async () => {
    const changes = changeSignal();
    const spec = component(
      "gateway",
      "console.log(process.env.WORD); setInterval(() => {}, 1000);",
    );
    const supervised = superviseComponent(spec, folder, changes.announce);
    await noted(() => supervised.status().identity !== undefined, changes);
    const first = supervised.status().identity;

    process.kill(first?.pid ?? 0, "SIGKILL");
    await noted(() => {
      const { identity, restarts } = supervised.status();
      return restarts === 1 && identity !== undefined && identity.pid !== first?.pid;
    }, changes);
    const second = supervised.status().identity;
    await supervised.stop(1_000);

    expect(second === undefined || isRunning(second)).toBe(false);
    expect(supervised.status()).toMatchObject({ state: "stopped", restarts: 1 });
  });

  test("writes into its own log, with its own variables", async () => {
    const changes = changeSignal();
    const supervised = superviseComponent(
      component("worker", "console.log(process.env.WORD);"),
      folder,
      changes.announce,
    );
    await noted(() => supervised.status().restarts > 0, changes);
    await supervised.stop(1_000);

    expect(readFileSync(join(folder, "worker.log"), "utf8")).toStartWith("here\n");
  });

  test("that keeps ending is started ever more rarely, but at least every 10 s", () => {
    expect([1, 2, 3, 7, 50].map(restartDelayMs)).toEqual([250, 500, 1_000, 10_000, 10_000]);
  });
});
