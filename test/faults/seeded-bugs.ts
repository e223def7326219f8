import { expect, test } from "bun:test";

import { mergeSettings, type Settings } from "../../local/stack/settings.ts";
import type { StackOptions } from "../../local/stack/stack.ts";
import { withStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { type CheckReport, violationsOf } from "../../history/check.ts";
import { createRuns, type LoadWish } from "./run.ts";

/** What a checker that finds nothing would have to be blamed for. */
export interface Bug {
  name: string;
  /** Does to a stack what the bug would do, after a good run or in the middle of it. */
  seed: (stack: TestStack, users: readonly [TestUser, TestUser]) => Promise<void>;
  when: "during" | "after";
  expectFound: (report: CheckReport) => void;
  /** The stack's and the load's, where the usual ones would not show it. */
  settings?: Settings;
  simulator?: StackOptions["simulator"];
  load?: Omit<LoadWish, "usersOf">;
  /** How long the load runs before the bug is seeded in the middle, milliseconds. */
  afterMs?: number;
}

const LIMIT_MS = 60_000;
const QUIET_LIMIT_MS = 2_500;
const AFTER_MS = 500;
/** Nothing that mends may run while a test seeds a bug. */
const NOTHING_MENDS = { keeper: { republish_after_ms: 600_000, orphan_after_ms: 600_000 } };

/** Defines the test that the checker finds a bug, on a stack that has it. */
export function testFindsBug(bug: Bug): void {
  test(
    `the checker finds it when ${bug.name}`,
    () =>
      withStack(
        {
          settings: mergeSettings(NOTHING_MENDS, bug.settings ?? {}),
          ...(bug.simulator && { simulator: bug.simulator }),
        },
        (stack) => expectFound(stack, bug),
      ),
    LIMIT_MS,
  );
}

async function expectFound(stack: TestStack, bug: Bug): Promise<void> {
  const { when, seed, load, afterMs = AFTER_MS } = bug;
  const users = [await stack.addUser(), await stack.addUser()] as const;
  const runs = createRuns(stack);
  try {
    const wish = {
      readEvery: 1_000_000,
      quietLimitMs: QUIET_LIMIT_MS,
      ...load,
      usersOf: () => Promise.resolve([...users]),
    };
    const atEnd = await runs.underLoad(wish, async () => {
      await Bun.sleep(afterMs);
      if (when === "during") await seed(stack, users);
    });
    if (when === "after") {
      expect(violationsOf(atEnd)).toEqual([]);
      await seed(stack, users);
    }

    bug.expectFound(when === "during" ? atEnd : await runs.check());
  } finally {
    runs.close();
  }
}
