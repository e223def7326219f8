import { afterAll, beforeAll, expect, test } from "bun:test";

import { serverUrls } from "../support/servers.ts";
import type { Component } from "../../local/stack/component.ts";
import type { StackOptions } from "../../local/stack/stack.ts";
import { type TestStack, startTestStack } from "../support/stack/stack.ts";
import { type CheckReport, violationsOf } from "../../history/check.ts";
import type { Load } from "../../history/load.ts";
import { formatReport } from "../../history/report.ts";
import { createRuns, type LoadWish, type Runs } from "./run.ts";

export interface Scene {
  stack: TestStack;
  load: Load;
  /**
   * Restarts a process with more environment, such as `CRASH_AT`. The next scenario restarts it without.
   */
  arm: (name: string, env: Record<string, string>) => Promise<Component>;
}

export interface ScenarioOptions extends LoadWish {
  /** What the report must show besides no violation. Default: every request completed. */
  expectAlso?: (report: CheckReport, stack: TestStack) => void | Promise<void>;
  limitMs?: number;
}

export type Scenario = (
  name: string,
  disturb: (scene: Scene) => Promise<void>,
  options?: ScenarioOptions,
) => void;

/** Of servers that a file has for itself, too. */
const START_LIMIT_MS = 180_000;
const STOP_LIMIT_MS = 30_000;
const SCENARIO_LIMIT_MS = 90_000;
const TWO_OF_EACH = { gateways: 2, workers: 2, collectors: 2 };

function expectAllCompleted(report: CheckReport): void {
  expect(Object.keys(report.states)).toEqual(["completed"]);
}

/**
 * Scenarios of one file, on one stack with two of each role. Each runs a load, disturbs it, lets it go quiet,
 * and expects that the checker finds nothing wrong with this load and all before it. `prepare` runs first and
 * returns what is particular to the stack.
 */
export function scenariosOnStack(
  prepare: () => Promise<Partial<StackOptions>> = () => Promise.resolve({}),
): Scenario {
  let stack: TestStack | undefined;
  let runs: Runs | undefined;
  beforeAll(async () => {
    const particular = await prepare();
    stack = await startTestStack({
      servers: particular.servers ?? serverUrls(),
      ...TWO_OF_EACH,
      ...particular,
    });
    runs = createRuns(stack);
  }, START_LIMIT_MS);
  afterAll(async () => {
    runs?.close();
    await stack?.stop();
  }, STOP_LIMIT_MS);

  return (name, disturb, { expectAlso = expectAllCompleted, limitMs, ...wish } = {}) =>
    test(
      name,
      async () => {
        if (stack === undefined || runs === undefined) throw new Error("the stack did not start");
        const report = await play(stack, runs, wish, disturb);
        if (violationsOf(report).length > 0) process.stderr.write(`${stack.logTail()}\n`);
        process.stdout.write(`${formatReport(report)}\n`);
        expect(violationsOf(report)).toEqual([]);
        await expectAlso(report, stack);
      },
      limitMs ?? SCENARIO_LIMIT_MS,
    );
}

async function play(
  stack: TestStack,
  runs: Runs,
  wish: LoadWish,
  disturb: (scene: Scene) => Promise<void>,
): Promise<CheckReport> {
  const armed = new Set<Component>();
  const arm: Scene["arm"] = async (name, env) => {
    const component = stack.component(name);
    await component.kill();
    armed.add(component);
    await component.start(env).catch((error: unknown) => {
      // It may reach its point before anybody sees it ready.
      if (component.isRunning()) throw error;
    });
    return component;
  };
  return runs.underLoad(wish, async (load) => {
    try {
      await disturb({ stack, load, arm });
    } catch (error) {
      process.stderr.write(`${stack.logTail()}\n`);
      throw error;
    } finally {
      // A frozen process does not even end.
      for (const component of stack.components()) component.signal("SIGCONT");
      for (const component of armed) await component.kill();
      const ended = stack.components().filter((component) => !component.isRunning());
      await Promise.all(ended.map((component) => component.start()));
    }
  });
}
