import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { describeError } from "../../adapters/terminal/failure.ts";
import { type Role, ROLES } from "../../local/roles.ts";
import { type Stack, type StackOptions, startStack } from "../../local/stack/stack.ts";
import { type CallFiles, generateCalls } from "../load/calls.ts";
import { startSampler } from "../machine/sampler.ts";
import type { Bench } from "./bench.ts";
import { type Loads, openLoads } from "./loads.ts";
import { type BenchUser, type DailyLimits, insertKeys, insertUsers, nthUser } from "./users.ts";

/** A stack under measurement: what is found here ends up in the outcome of the scenario. */
export interface Session extends Bench, Loads {
  stack: Stack;
  users: BenchUser[];
  /** `POST /generate` of all users with these bodies. */
  generate: (bodies: readonly unknown[]) => CallFiles;
}

type StackParts = "gateways" | "workers" | "collectors" | "notYet" | "settings";
export interface SessionOptions extends Pick<StackOptions, StackParts> {
  users: number;
  /** Limits of each user. */
  daily?: DailyLimits;
  /** Wait until every request has ended before the audit, this long at most. Absent: requests stay open. */
  quietWithinMs?: number;
}

/** What `notYet` leaves out where only accepting is measured. */
export const ACCEPT_ONLY = ["worker", "collector"] as const;
/** A worker for a model that responds at once (docs/scaling.md): what it owns bounds what it completes. */
export const FAST_MODEL_WORKER = { worker: { actors: 200, prefetch: 256 } } as const;

/** Measures on a stack of its own; see `withStack`. */
export const onStack =
  (
    options: SessionOptions | ((bench: Bench) => SessionOptions),
    measure: (session: Session) => Promise<void>,
  ) =>
  (bench: Bench): Promise<void> =>
    withStack(bench, typeof options === "function" ? options(bench) : options, measure);

/**
 * Runs one measurement on a stack of its own, then compares the books: a run whose books differ has failed,
 * however fast it was. The stack is removed whatever happens.
 */
export async function withStack<Result>(
  bench: Bench,
  { users: userCount, daily, quietWithinMs, ...options }: SessionOptions,
  measure: (session: Session) => Promise<Result>,
): Promise<Result> {
  const { servers, folder, profileFolder, gateways, workers, progress, measured } = bench;
  const shared = { servers: servers.urls, folder, profileFolder, sharesGatewayPort: true };
  const stack = await startStack({ gateways, workers, ...options, ...shared });
  const labels = new Map([...servers.labels, [process.pid, "bench"]]);
  const sampler = startSampler({ labels, readQueues: () => readQueues(stack) });
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
    await insertUsers(database, 0, userCount, daily);
    await insertKeys(database, stack.config.secrets.key_pepper, users);
    const loads = openLoads(bench, stack.url, sampler);
    const generate = (bodies: readonly unknown[]): CallFiles =>
      loads.calls(generateCalls(users, bodies));
    const watched = { ...stack, startRole };
    const result = await measure({ ...bench, ...loads, stack: watched, users, generate });
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
  if (!isConsistent) {
    const first = JSON.stringify(differences[0]);
    fail(`the books differ in ${differencesTotal} places, first: ${first}`);
  }
  const { accepted = 0, completed = 0 } = requests ?? {};
  const word = isConsistent ? "the books agree" : "the books differ";
  return { detail: `${word}: ${accepted} accepted, ${completed} completed` };
}
