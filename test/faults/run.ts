import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { withStack } from "../stack/stack-tests.ts";
import type { Stack, StackOptions } from "../stack/stack.ts";
import { type CheckReport, checkRun, violationsOf } from "./history/check.ts";
import { readFacts } from "./history/facts.ts";
import { openHistory, readHistory } from "./history/history.ts";
import { type Load, type LoadOptions, startLoad } from "./history/load.ts";
import { foldHistory } from "./history/operations.ts";
import { formatReport } from "./history/report.ts";

export interface RunOptions {
  stack?: Omit<StackOptions, "servers"> & Partial<Pick<StackOptions, "servers">>;
  load?: Partial<Pick<LoadOptions, "ratePerSecond" | "promptOf" | "readEvery" | "patienceMs">>;
  users?: number;
  /** How long everything may take to go quiet once the load has ended, milliseconds. */
  quietLimitMs?: number;
}

const RATE_PER_SECOND = 100;
const USERS = 3;

/**
 * Runs a load against a stack of its own while `disturb` does what it does, waits until everything is quiet, and answers what the
 * checker says. The load ends when `disturb` has.
 */
export async function runUnderLoad(
  { stack: stackOptions = {}, load: loadOptions = {}, users = USERS, quietLimitMs }: RunOptions,
  disturb: (stack: Stack, load: Load) => Promise<void>,
): Promise<CheckReport> {
  let report: CheckReport | undefined;
  await withStack(stackOptions, async (stack) => {
    const folder = mkdtempSync(join(tmpdir(), "tollgate-history-"));
    try {
      const history = openHistory(join(folder, "history.jsonl"));
      const load = startLoad({
        gateways: stack.gateways.map(({ url }) => url),
        users: await Promise.all(Array.from({ length: users }, () => stack.addUser())),
        ratePerSecond: RATE_PER_SECOND,
        ...loadOptions,
        history,
      });
      try {
        await disturb(stack, load);
      } finally {
        await load.stop();
        await history.close();
      }
      await stack.books.untilQuiet(quietLimitMs).catch((error: unknown) => {
        // The checker says more than that it is not quiet.
        process.stderr.write(`${String(error)}\n`);
      });
      report = checkRun(await foldHistory(readHistory(history.path)), await readFacts(stack));
      process.stdout.write(`${formatReport(report)}\n`);
      if (violationsOf(report).length > 0) process.stderr.write(`${stack.logTail()}\n`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  if (report === undefined) throw new Error("the run came to no report");
  return report;
}
