import { join } from "node:path";

import type { Figure, LoadResult, Table } from "../figures.ts";
import { type Call, type CallFiles, generateCalls, writeCalls } from "../load/calls.ts";
import { type LoadPlan, runLoad } from "../load/run-load.ts";
import { type BenchStack, type BenchStackOptions, startBenchStack } from "../stack/stack.ts";
import { type BenchUser, seedUsers } from "../stack/users.ts";
import type { BenchContext, Measured } from "./scenario.ts";

/** Goes to the stack unless another `url` is given. */
export type LoadWish = Omit<LoadPlan, "url"> & { url?: string };

/** A stack with a notebook: what is measured here ends up in the outcome of the scenario. */
export interface Session {
  stack: BenchStack;
  users: BenchUser[];
  isQuick: boolean;
  /** Files of the calls, for any generator. */
  calls: (calls: readonly Call[]) => CallFiles;
  /** `POST /generate` of all users with these bodies. */
  generate: (bodies: readonly unknown[]) => CallFiles;
  /** Runs a load and notes it. */
  load: (wish: LoadWish) => Promise<LoadResult>;
  /** Runs a load that is not part of the measurement: fills a backlog, warms caches. Answers how many were as expected. */
  unmeasured: (wish: LoadWish) => Promise<number>;
  figure: (figure: Figure) => void;
  table: (table: Table) => void;
  note: (text: string) => void;
  fail: (text: string) => void;
}

export interface SessionOptions extends Omit<
  BenchStackOptions,
  "servers" | "folder" | "profileFolder"
> {
  users: number;
  /** Limits of each user. */
  daily?: { requests?: number; tokens?: number };
  /** Wait until every request has ended before the audit, this long at most. Absent: requests stay open, and the audit counts them so. */
  quietWithinMs?: number;
}

/**
 * Runs one measurement on a stack of its own, then compares the books: a run whose books differ has failed, however fast it was. The
 * stack is removed whatever happens.
 */
export async function withSession(
  context: BenchContext,
  { users: userCount, daily, quietWithinMs, ...options }: SessionOptions,
  measure: (session: Session) => Promise<void>,
): Promise<Measured> {
  const tables: Table[] = [];
  const measured: Measured = {
    figures: [],
    tables,
    loads: [],
    samples: [],
    notes: [],
    failures: [],
  };
  const stack = await startBenchStack({
    servers: context.servers,
    folder: context.folder,
    profileFolder: context.profileFolder,
    gateways: context.gateways,
    workers: context.workers,
    ...options,
  });
  try {
    const users = await seedUsers(
      stack.books.database,
      stack.config.secrets.key_pepper,
      userCount,
      daily,
    );
    const tools = { programs: context.tools, folder: context.folder, watch: stack.watch };
    const run = (wish: LoadWish): Promise<LoadResult> =>
      context.progress.step(`  ${wish.name}`, async () => {
        const result = await runLoad({ url: stack.url, ...wish }, tools);
        return { ...result, detail: describeLoad(result) };
      });
    let fileCount = 0;
    const calls = (list: readonly Call[]): CallFiles => {
      fileCount += 1;
      return writeCalls(list, stack.url, join(context.folder, `calls-${fileCount}`));
    };
    await measure({
      stack,
      users,
      isQuick: context.isQuick,
      calls,
      generate: (bodies) => calls(generateCalls(users, bodies)),
      load: async (wish) => {
        const result = await run(wish);
        measured.loads.push(result);
        return result;
      },
      unmeasured: async (wish) => {
        const { expected } = await runLoad({ url: stack.url, ...wish }, tools);
        return expected;
      },
      figure: (figure) => void measured.figures.push(figure),
      table: (table) => void tables.push(table),
      note: (text) => void measured.notes.push(text),
      fail: (text) => void measured.failures.push(text),
    });
    measured.samples = [...stack.samples()];
    await context.progress.step("  books", () => compareBooks(stack, quietWithinMs, measured));
  } catch (error) {
    throw new Error(
      `${error instanceof Error ? error.message : String(error)}\n${stack.logTail()}`,
      { cause: error },
    );
  } finally {
    await stack.stop();
  }
  return measured;
}

async function compareBooks(
  stack: BenchStack,
  quietWithinMs: number | undefined,
  measured: Measured,
): Promise<{ detail: string }> {
  if (quietWithinMs !== undefined) await stack.books.untilQuiet(quietWithinMs);
  const report = await stack.books.audit();
  if (!report.isConsistent) {
    const first = JSON.stringify(report.differences[0]);
    measured.failures.push(
      `the books differ in ${report.differencesTotal} places, first: ${first}`,
    );
  }
  const { accepted = 0, completed = 0 } = report.requests ?? {};
  const word = report.isConsistent ? "the books agree" : "the books differ";
  return { detail: `${word}: ${accepted} accepted, ${completed} completed` };
}

function describeLoad({ perSecond, latencyMs, unexpected, dropped }: LoadResult): string {
  const others = Object.entries(unexpected).map(([status, count]) => `, ${count} × ${status}`);
  const late = dropped > 0 ? `, ${dropped} dropped` : "";
  return `${Math.round(perSecond)}/s, p50 ${latencyMs.p50.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms${others.join("")}${late}`;
}
