import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { type CheckReport, checkRun, type Expectations } from "../../history/check.ts";
import { readFacts } from "../../history/facts.ts";
import { openHistory, readHistory } from "../../history/history.ts";
import { type Load, type LoadOptions, startLoad } from "../../history/load.ts";
import { foldHistory, type Operation } from "../../history/operations.ts";
import type { SharesWish, Stretch } from "../../history/shares.ts";
import type { WaitBound } from "../../history/waits.ts";

export interface SharesOfPlaces {
  model: string;
  weights: Readonly<Record<number, number>>;
  /** Asked for when the load has ended. */
  within?: () => Stretch;
}

export interface LoadWish extends Partial<
  Omit<LoadOptions, "gateways" | "history" | "firstOp" | "users">
> {
  /** Whose requests they are. Default: three new users without limits. */
  usersOf?: (stack: TestStack) => Promise<TestUser[]>;
  /** How long the operations of a group may take. */
  waits?: Readonly<Record<string, WaitBound>>;
  /** Users whose shares of a model follow their weights while all of them wait, by their place. */
  shares?: SharesOfPlaces;
  /** How long everything may take to go quiet once the load has ended, milliseconds. */
  quietLimitMs?: number;
}

/** Loads on one stack, one after the other, each checked together with all that came before it. */
export interface Runs {
  /**
   * Runs a load while `disturb` runs, waits until everything is quiet, and returns what the checker says: of
   * loss and billing in all loads so far, of waits and shares in this one. The load ends when `disturb` has.
   */
  underLoad: (wish: LoadWish, disturb: (load: Load) => Promise<void>) => Promise<CheckReport>;
  /** Returns what the checker says now. */
  check: () => Promise<CheckReport>;
  close: () => void;
}

const RATE_PER_SECOND = 100;
const USERS = 3;
/** Operations of one load are far fewer. */
const OPS_PER_LOAD = 10_000_000;

function sharesWish(
  { model, weights, within }: SharesOfPlaces,
  users: readonly TestUser[],
): SharesWish {
  const byUser = Object.entries(weights).map(([place, weight]): [string, number] => {
    const user = users[Number(place)];
    if (user === undefined) throw new Error(`there is no user ${place}`);
    return [user.userId, weight];
  });
  return { model, weights: new Map(byUser), ...(within && { within: within() }) };
}

const withoutLimits = (stack: TestStack): Promise<TestUser[]> =>
  Promise.all(Array.from({ length: USERS }, () => stack.addUser()));

export function createRuns(stack: TestStack): Runs {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-history-"));
  const operations = new Map<number, Operation>();
  let loads = 0;

  async function addHistory(path: string): Promise<void> {
    for (const [op, operation] of await foldHistory(readHistory(path)))
      operations.set(op, operation);
  }

  const check = async (expectations?: Expectations): Promise<CheckReport> =>
    checkRun(operations, await readFacts(stack), expectations);

  async function underLoad(
    { quietLimitMs, usersOf = withoutLimits, waits = {}, shares, ...wish }: LoadWish,
    disturb: (load: Load) => Promise<void>,
  ): Promise<CheckReport> {
    const history = openHistory(join(folder, `history-${loads}.jsonl`));
    const users = await usersOf(stack);
    const load = startLoad({
      ratePerSecond: RATE_PER_SECOND,
      ...wish,
      users,
      gateways: stack.gateways.map(({ url }) => url),
      history,
      firstOp: loads++ * OPS_PER_LOAD,
    });
    try {
      await disturb(load);
    } finally {
      await load.stop();
      await history.close();
      await addHistory(history.path);
    }
    await stack.books.untilQuiet(quietLimitMs).catch((error: unknown) => {
      // The checker will say more than that it is not quiet.
      process.stderr.write(`${String(error)}\n`);
    });
    const wished = shares === undefined ? [] : [sharesWish(shares, users)];
    return check({ waits, shares: wished });
  }

  return { underLoad, check, close: () => rmSync(folder, { recursive: true, force: true }) };
}
