import { Fault } from "../../core/faults.ts";
import type {
  Admission,
  AdmitReply,
  LoadReply,
  LoadTicket,
  QuotaSnapshot,
  QuotaTruth,
  QuotaUse,
} from "../../core/quota/quota.ts";
import { createSemaphore } from "../../runtime/semaphore.ts";
import { createSingleFlight } from "../../runtime/single-flight.ts";

export interface QuotaGatePorts {
  admit: (admission: Admission) => Promise<AdmitReply>;
  /** undefined: Redis does not know the user. */
  read: (userId: string) => Promise<QuotaSnapshot | undefined>;
  /** undefined: the user is loaded already. */
  beginLoad: (userId: string) => Promise<LoadTicket | undefined>;
  /** Reads PostgreSQL in one snapshot that starts after the call; see `QuotaTruth.unstored` for the ids. */
  readTruth: (userId: string, recentRequestIds: string[]) => Promise<QuotaTruth>;
  load: (userId: string, ticket: LoadTicket, truth: QuotaTruth) => Promise<LoadReply>;
}

export interface QuotaGate {
  /** Takes a hold or refuses. @throws {Fault} QUOTA_UNAVAILABLE, and what `readTruth` throws */
  admitOrRebuild: (admission: Admission) => Promise<{ admitted: boolean; snapshot: QuotaUse }>;
  /** Reads the state of a user's windows; takes nothing. @throws {Fault} as `admitOrRebuild` */
  readOrRebuild: (userId: string) => Promise<QuotaSnapshot>;
}

/** Redis may forget a user again in between; more often than this it is broken. */
const TRIES_MAX = 5;

/** After a restart of Redis every user is unknown at once; PostgreSQL has accepts to commit as well. */
const REBUILDS_MAX = 4;
/** Users that wait for their rebuild; more are refused at once, or their calls would wait for minutes. */
const REBUILDS_WAITING_MAX = 500;

/**
 * The quota of users as an admission sees it: a user whom Redis does not know is rebuilt from PostgreSQL
 * first, never let through.
 */
export function createQuotaGate(ports: QuotaGatePorts): QuotaGate {
  const sharedByUser = createSingleFlight<string, void>();
  const limited = createSemaphore({
    max: REBUILDS_MAX,
    waitingMax: REBUILDS_WAITING_MAX,
    onFull: () =>
      new Fault("QUOTA_UNAVAILABLE", "the quotas of too many users are being rebuilt at once", {
        retryAfterSeconds: 2,
      }),
  });

  /** Concurrent calls for one user share one rebuild. */
  const rebuild = (userId: string): Promise<void> =>
    sharedByUser(userId, () => limited(() => rebuildUser(ports, userId)));

  async function knownOrRebuild<Reply>(
    userId: string,
    ask: () => Promise<Reply | undefined>,
  ): Promise<Reply> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const reply = await ask();
      if (reply !== undefined) return reply;
      await rebuild(userId);
    }
    throw new Fault(
      "QUOTA_UNAVAILABLE",
      `the quota was lost again after each of ${TRIES_MAX} rebuilds`,
    );
  }

  return {
    admitOrRebuild: (admission) =>
      knownOrRebuild(admission.userId, async () => {
        const reply = await ports.admit(admission);
        if (reply.kind === "unknown") return undefined;
        return { admitted: reply.kind === "admitted", snapshot: reply.snapshot };
      }),
    readOrRebuild: (userId) => knownOrRebuild(userId, () => ports.read(userId)),
  };
}

async function rebuildUser(ports: QuotaGatePorts, userId: string): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const ticket = await ports.beginLoad(userId);
    if (ticket === undefined) return;
    const truth = await ports.readTruth(userId, ticket.recentRequestIds);
    if ((await ports.load(userId, ticket, truth)) !== "superseded") return;
  }
  throw new Fault(
    "QUOTA_UNAVAILABLE",
    `the rebuild of the quota was superseded ${TRIES_MAX} times`,
  );
}
