import { join } from "node:path";

import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { describeError } from "../../adapters/terminal/failure.ts";
import { type Role, ROLES } from "../../local/roles.ts";
import { type Stack, type StackOptions, startStack } from "../../local/stack/stack.ts";
import { type LoadResult, otherAnswers } from "../figures.ts";
import { type Call, type CallFiles, generateCalls, writeCalls } from "../load/calls.ts";
import { type Pace, runLoad } from "../load/run-load.ts";
import { type Sampler, startSampler } from "../machine/sampler.ts";
import { mixedBodies, shortBodies } from "../prompts/prompts.ts";
import type { Bench } from "./bench.ts";
import { type BenchUser, insertKeys, insertUsers, nthUser } from "./users.ts";
import { requirePepper } from "../../core/config/pepper.ts";

/** A stack under measurement: what is found here ends up in the outcome of the scenario. */
export interface Session extends Bench {
  stack: Stack;
  users: readonly BenchUser[];
  sampler: Omit<Sampler, "stop">;
  /** Writes files of the calls, for any generator. */
  calls: (calls: readonly Call[]) => CallFiles;
  /** `POST /generate` of these users in turn (of all, unless told otherwise) with many prompts. */
  generate: (prompts: "short" | "mixed", users?: readonly BenchUser[]) => Promise<CallFiles>;
  /** Runs a load and notes what it saw. */
  load: (name: string, files: CallFiles, pace: Pace) => Promise<LoadResult>;
  /** Runs a load that is not part of the measurement: fills a backlog, warms caches. */
  unmeasured: (files: CallFiles, pace: Pace) => Promise<LoadResult>;
  /** Calls that are not measured, of the stack unless told otherwise; their samples are left out. */
  warmUp: (files: CallFiles, url?: string) => Promise<void>;
  /** A single call of a user: what the gateway answers. */
  ask: <Reply>(user: BenchUser | undefined, path: string, body?: unknown) => Promise<Reply>;
}

type StackParts = "gateways" | "workers" | "collectors" | "notYet" | "settings";
export interface SessionOptions extends Pick<StackOptions, StackParts> {
  users: number;
  /** Wait until every request has ended before the audit, this long at most. Absent: requests stay open. */
  quietWithinMs?: number;
}

/** What `notYet` leaves out where only accepting is measured. */
export const ACCEPT_ONLY = ["worker", "collector"] as const;
/** A worker for a model that responds at once (docs/scaling.md): what it owns bounds what it completes. */
export const FAST_MODEL_WORKER = { worker: { actors: 200, prefetch: 256 } } as const;
/**
 * Loads every user's key and quota into the caches, and lasts until Bun has compiled what runs often: cold
 * code costs half as much again.
 */
const WARM_UP = { ratePerSecond: 1_200, seconds: 5, connections: 64 };
const ASK_LIMIT_MS = 70_000;

/** Measures on a stack of its own; see `withStack`. */
export const onStack =
  (options: SessionOptions, measure: (session: Session) => Promise<void>) =>
  (bench: Bench): Promise<void> =>
    withStack(bench, options, measure);

/**
 * Runs one measurement on a stack of its own, then compares the books: a run whose books differ has failed,
 * however fast it was. The stack is removed whatever happens.
 */
export async function withStack<Result>(
  bench: Bench,
  { users: userCount, quietWithinMs, ...options }: SessionOptions,
  measure: (session: Session) => Promise<Result>,
): Promise<Result> {
  const { servers, folder, profileFolder, gateways, workers, progress, measured } = bench;
  const { urls, tls } = servers;
  const shared = { servers: urls, tls, folder, profileFolder, sharesGatewayPort: true };
  const stack = await startStack({ gateways, workers, ...options, ...shared });
  const labels = new Map([...servers.labels, [process.pid, "bench"]]);
  const sampler = startSampler(labels, () => readQueues(stack));
  const watchRole = (role: Role): void => {
    for (const pid of stack.componentsOf(role).map((one) => one.pid()))
      if (pid !== undefined) sampler.watch(pid, role);
  };
  ROLES.forEach(watchRole);
  const startRole = async (role: Role): Promise<void> => {
    await stack.startRole(role);
    watchRole(role);
  };
  try {
    const { database } = stack.books;
    const users = Array.from({ length: userCount }, (_, n) => nthUser(n));
    await insertUsers(database, 0, userCount);
    await insertKeys(database, requirePepper(stack.config), users);
    const offering = { ...bench, stack: { ...stack, startRole }, users, sampler };
    const result = await measure({ ...offering, ...openLoads(offering) });
    measured.samples = [...sampler.samples()];
    await progress.step("  books", () => compareBooks(bench, stack, quietWithinMs));
    return result;
  } catch (error) {
    throw new Error(`${describeError(error)}\n${stack.logTail()}`, { cause: error });
  } finally {
    sampler.stop();
    await stack.stop();
  }
}

type Offers = "calls" | "generate" | "load" | "unmeasured" | "warmUp" | "ask";

/** How calls are offered to a stack. */
function openLoads(session: Omit<Session, Offers>): Pick<Session, Offers> {
  const { stack, tools, folder, progress, measured, sampler } = session;
  let fileCount = 0;
  const calls: Session["calls"] = (list) => {
    fileCount += 1;
    return writeCalls(list, stack.url, join(folder, `calls-${fileCount}`));
  };
  const send = (name: string, files: CallFiles, pace: Pace): Promise<LoadResult> =>
    runLoad(
      name,
      files,
      { url: stack.url, ...pace },
      { tools, watch: sampler.watch, ca: session.servers.tls?.ca },
    );
  return {
    calls,
    unmeasured: (files, pace) => send("unmeasured", files, pace),
    generate: async (prompts, users = session.users) => {
      const bodies = await (prompts === "short" ? shortBodies(500) : mixedBodies(1_000));
      return calls(generateCalls(users, bodies));
    },
    load: (name, files, pace) =>
      progress.step(`  ${name}`, async () => {
        const result = await send(name, files, pace);
        measured.loads.push(result);
        return { ...result, detail: describeLoad(result) };
      }),
    warmUp: async (files, url = stack.url) => {
      await send("warm-up", files, { ...WARM_UP, url });
      sampler.restart();
    },
    ask: async <Reply>(user: BenchUser | undefined, path: string, body?: unknown) => {
      const headers = {
        authorization: `Bearer ${user?.apiKey}`,
        "content-type": "application/json",
      };
      const post = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
      const signal = AbortSignal.timeout(ASK_LIMIT_MS);
      const reply = await fetch(`${stack.url}${path}`, { ...post, headers, signal });
      if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
      return (await reply.json()) as Reply;
    },
  };
}

function describeLoad(load: LoadResult): string {
  const { perSecond, latencyMs } = load;
  const latency = `p50 ${latencyMs.p50.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms`;
  return [`${Math.round(perSecond)}/s`, latency, ...otherAnswers(load)].join(", ");
}

/** Messages that nobody has taken yet. */
async function readQueues({ books }: Stack): Promise<Record<string, number>> {
  const { requests, results } = books.queues;
  const depths = await queueDepths(books.broker, [requests.name, results.name]);
  const ready = (name: string): number => depths.get(name)?.ready ?? 0;
  return { requests: ready(requests.name), results: ready(results.name) };
}

async function compareBooks(
  { fail }: Bench,
  { books }: Stack,
  quietWithinMs: number | undefined,
): Promise<{ detail: string }> {
  if (quietWithinMs !== undefined) await books.untilQuiet(quietWithinMs);
  const { isConsistent, differences, differencesTotal, requests } = await books.audit();
  const first = JSON.stringify(differences[0]);
  if (!isConsistent) fail(`the books differ in ${differencesTotal} places, first: ${first}`);
  const { accepted = 0, completed = 0 } = requests ?? {};
  const word = isConsistent ? "the books agree" : "the books differ";
  return { detail: `${word}: ${accepted} accepted, ${completed} completed` };
}
