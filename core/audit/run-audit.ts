import type { RequestCounts } from "./books.ts";
import { compareUser } from "./compare-user.ts";
import { judgeLedger, judgeRequests, judgeSum } from "./compare-system.ts";
import {
  type Difference,
  driftTokens,
  type SystemDifference,
  type UserDifference,
} from "./difference.ts";
import { unchanged, unchangedOfUser } from "./unchanged.ts";
import type { AuditPorts } from "./audit-ports.ts";

export interface AuditOptions {
  /** How often a difference must be seen in a row. Default 3: the first look and two more. */
  readings?: number;
  /**
   * Pause before a difference is looked at again, milliseconds; a request on its way should have moved on by
   * then. Default 500.
   */
  rereadAfterMs?: number;
  /** Forget users whose books differ in Redis and rebuild them from PostgreSQL. Default false. */
  repair?: boolean;
  /**
   * Also count all requests, check the ledger and look into the queues; reads both tables whole. Default
   * true.
   */
  system?: boolean;
  /**
   * Awaited between two pages of users: an audit in the background rests there, so that it is in nobody's
   * way.
   */
  betweenPages?: () => Promise<void>;
  /** Differences that are kept for the report; all are counted. Default 1000. */
  differencesMax?: number;
}

export interface AuditReport {
  isConsistent: boolean;
  /** Users compared, and those that Redis does not know and will rebuild. */
  users: number;
  usersNotLoaded: number;
  /** null: not counted. */
  requests: RequestCounts | null;
  /** The first `differencesMax`; `differencesTotal` counts all. */
  differences: Difference[];
  differencesTotal: number;
  /** Sum of the absolute token differences over users. */
  driftTokens: number;
  holdsOpen: number;
  usersRepaired: number;
}

const USERS_PER_PAGE = 200;
const LEDGER_MAX = 1_000;
const MESSAGES_MAX = 10_000;
const STANDINGS_PER_READ = 500;

type Ports = AuditPorts & {
  /** Resolves after so many milliseconds, or at once when the signal aborts. */
  pause: (ms: number, signal: AbortSignal) => Promise<void>;
};
type UserDifferences = Map<string, UserDifference[]>;

/**
 * Compares what Redis counts with what PostgreSQL knows, for every user, and PostgreSQL with itself and the
 * queues (guarantees I1 to I4). Memory is bounded by a page of users. An aborted audit returns what it has
 * found so far.
 *
 * @throws what its ports throw
 */
export async function runAudit(
  ports: Ports,
  options: AuditOptions = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<AuditReport> {
  const { differencesMax = 1_000, repair = false, system = true } = options;
  const report: AuditReport = {
    isConsistent: true,
    users: 0,
    usersNotLoaded: 0,
    requests: system ? await ports.countRequests() : null,
    differences: [],
    differencesTotal: 0,
    driftTokens: 0,
    holdsOpen: 0,
    usersRepaired: 0,
  };
  const found = (differences: readonly Difference[]): void => {
    report.isConsistent &&= differences.length === 0;
    report.differencesTotal += differences.length;
    report.differences.push(...differences.slice(0, differencesMax - report.differences.length));
    report.driftTokens += driftTokens(differences);
  };

  let after: string | null = null;
  do {
    const { items, next }: { items: string[]; next: string | null } = await ports.userIds(
      after,
      USERS_PER_PAGE,
    );
    const first = await readUsers(ports, items);
    report.users += items.length - first.notLoaded;
    report.usersNotLoaded += first.notLoaded;
    report.holdsOpen += first.holds;
    const confirmed = await confirmUsers(ports, first.differences, options, signal);
    for (const differences of confirmed.values()) found(differences);
    if (repair) report.usersRepaired += await repairUsers(ports, confirmed);
    after = next;
    if (after !== null) await options.betweenPages?.();
  } while (after !== null && !signal.aborted);

  if (system) found(await confirmSystem(ports, options, signal));
  return report;
}

interface Reading {
  differences: UserDifferences;
  notLoaded: number;
  holds: number;
}

async function readUsers(ports: Ports, userIds: string[]): Promise<Reading> {
  const reading: Reading = { differences: new Map(), notLoaded: 0, holds: 0 };
  if (userIds.length === 0) return reading;
  const books = await ports.readBooks(userIds);
  const ledgers = await ports.readLedger(userIds);
  userIds.forEach((userId, index) => {
    const redis = books[index];
    const postgres = ledgers[index];
    if (redis === undefined || postgres === undefined) {
      reading.notLoaded += 1;
      return;
    }
    if (redis === "broken") {
      reading.differences.set(userId, [{ kind: "books_broken", userId }]);
      return;
    }
    reading.holds += redis.holds.length;
    const differences = compareUser(userId, redis, postgres);
    if (differences.length > 0) reading.differences.set(userId, differences);
  });
  return reading;
}

/** Reads the users that differ again, and keeps what stays the same every time. */
async function confirmUsers(
  ports: Ports,
  first: UserDifferences,
  { readings = 3, rereadAfterMs = 500 }: AuditOptions,
  signal: AbortSignal,
): Promise<UserDifferences> {
  let suspects = first;
  for (let reading = 2; reading <= readings && suspects.size > 0; reading += 1) {
    await ports.pause(rereadAfterMs, signal);
    // What was seen once is not proven.
    if (signal.aborted) return new Map();
    const again = await readUsers(ports, [...suspects.keys()]);
    const confirmed: UserDifferences = new Map();
    for (const [userId, before] of suspects) {
      const differences = unchangedOfUser(before, again.differences.get(userId) ?? []);
      if (differences.length > 0) confirmed.set(userId, differences);
    }
    suspects = confirmed;
  }
  return suspects;
}

async function repairUsers(ports: Ports, users: UserDifferences): Promise<number> {
  for (const [userId, differences] of users) await ports.rebuildUser(userId, differences);
  return users.size;
}

async function confirmSystem(
  ports: Ports,
  { rereadAfterMs = 500 }: AuditOptions,
  signal: AbortSignal,
): Promise<SystemDifference[]> {
  const first = await readSystem(ports);
  if (first.length === 0) return [];
  await ports.pause(rereadAfterMs, signal);
  return signal.aborted ? [] : unchanged(first, await readSystem(ports));
}

async function readSystem(ports: Ports): Promise<SystemDifference[]> {
  const anomalies = await ports.ledgerAnomalies(LEDGER_MAX);
  const sums = await ports.sumAnomalies(LEDGER_MAX);
  return [
    ...judgeRequests(await ports.countRequests()),
    ...anomalies.flatMap(judgeLedger),
    ...sums.map(judgeSum),
    ...(await unknownMessages(ports)),
  ];
}

async function unknownMessages(ports: Ports): Promise<SystemDifference[]> {
  const messages = (await ports.browseQueues?.(MESSAGES_MAX)) ?? [];
  const differences: SystemDifference[] = [];
  for (let start = 0; start < messages.length; start += STANDINGS_PER_READ) {
    const part = messages.slice(start, start + STANDINGS_PER_READ);
    const standings = await ports.standings(part.map(({ requestId }) => requestId));
    part.forEach(({ queue, requestId }, index) => {
      if (standings[index] !== undefined) return;
      differences.push({ kind: "message_unknown", queue, requestId });
    });
  }
  return differences;
}
