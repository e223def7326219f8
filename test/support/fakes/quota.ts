import type { HoldBooks } from "../../../adapters/redis/holds.ts";
import type { QuotaStore } from "../../../adapters/redis/quota-store.ts";
import {
  admitInModel,
  beginLoadInModel,
  forgetInModel,
  loadInModel,
  type QuotaModel,
  setLimitsInModel,
  settleInModel,
  snapshotOfModel,
  UNKNOWN_USER,
  useOfModel,
} from "./quota-model.ts";
import type {
  Hold,
  QuotaSnapshot,
  Settlement,
  SettleReply,
  WindowSnapshot,
} from "../../../core/quota/quota.ts";
import { dayOf } from "../../../core/quota/windows.ts";
import type { FakeServer } from "./server.ts";

/** The quotas of users without Redis: what `quota-model.ts` says, and the times that it leaves out. */
export interface FakeQuota extends QuotaStore, HoldBooks {
  /** The server starts again with what it had stored: it knows no user until that user is loaded. */
  restart: () => void;
  /** The server loses everything. */
  flush: () => void;
  /** Stores something of the user that is not ours. */
  damage: (userId: string) => void;
  /** Takes a hold that no limit refuses, of a user who is known from then on. */
  hold: (hold: Hold) => void;
  /** The last load of the user becomes so much older. */
  ageLoad: (userId: string, ms: number) => void;
  /** Milliseconds until the user is forgotten; 0: not known. */
  knownForMs: (userId: string) => number;
  /** What the user has used today, holds included; 0: nothing, or not known. */
  usedTokens: (userId: string) => number;
  /** Of today. */
  failedExecutions: (userId: string) => number;
  openHolds: () => Hold[];
  /** A hold gets lost, and nobody notices. */
  loseHold: (hold: { userId: string; requestId: string }) => void;
}

export interface FakeQuotaOptions {
  server: FakeServer;
  /** Clock of the server, Unix milliseconds. */
  now: () => number;
  /** A settlement ends the mark that an attempt is under way. */
  forgetMark?: (request: { userId: string; requestId: string }) => void;
}

interface User {
  model: QuotaModel;
  /** The run of the server that loaded the user. */
  instance: string;
  knownUntilMs: number;
  loadedAtMs: number;
  /** Of the loading under way. */
  loadingUntilMs: number;
  takenAtMs: Map<string, number>;
  isDamaged: boolean;
}

const KNOWN_FOR_MS = 6 * 3_600_000;
const UNSURE_KNOWN_FOR_MS = 2_000;
const LOADING_TTL_MS = 60_000;
const RECENT_MS = 30_000;
const CLOCKS_DIFFER_MS_MAX = 60_000;
const PAGE_HOLDS_MAX = 1_000;

export function createFakeQuota({
  server,
  now,
  forgetMark = () => {},
}: FakeQuotaOptions): FakeQuota {
  const users = new Map<string, User>();
  let run = 1;
  let nonces = 0;
  const instance = (): string => `run-${run}`;

  /** A user as the server has it now: what has expired is gone. */
  function userOf(userId: string): User {
    const user = users.get(userId) ?? newUser();
    users.set(userId, user);
    if (user.instance !== instance() || user.knownUntilMs <= now())
      user.model = { ...user.model, isKnown: false };
    if (user.loadingUntilMs <= now()) user.model = { ...user.model, loading: undefined };
    return user;
  }

  const presentOf = (userId: string): QuotaSnapshot =>
    snapshotOfModel(userOf(userId).model, now(), dayOf(now()));

  function noteTaken(user: User, isRestored: boolean): void {
    for (const requestId of Object.keys(user.model.holds))
      if (isRestored || !user.takenAtMs.has(requestId)) user.takenAtMs.set(requestId, now());
    for (const requestId of user.takenAtMs.keys())
      if (!(requestId in user.model.holds)) user.takenAtMs.delete(requestId);
  }

  function noteLoaded(user: User): void {
    user.instance = instance();
    user.loadedAtMs = now();
    user.knownUntilMs = now() + (user.model.isUnsure ? UNSURE_KNOWN_FOR_MS : KNOWN_FOR_MS);
    user.isDamaged = false;
    noteTaken(user, true);
  }

  function settleOne(settlement: Settlement): SettleReply {
    const { userId } = settlement;
    const user = userOf(userId);
    if (user.isDamaged) {
      user.model = { ...forgetInModel(user.model), holds: {} };
      noteTaken(user, false);
      return "broken";
    }
    const [model, reply] = settleInModel(user.model, settlement);
    user.model = model;
    noteTaken(user, false);
    forgetMark(settlement);
    if (reply === "absent" && settlement.expectHold && model.isKnown) {
      if (now() - user.loadedAtMs >= UNSURE_KNOWN_FOR_MS) user.knownUntilMs = 0;
      user.knownUntilMs = Math.min(user.knownUntilMs, now() + UNSURE_KNOWN_FOR_MS);
    }
    return reply;
  }

  function takenHolds(user: User) {
    return Object.values(user.model.holds).map((hold) => ({
      ...hold,
      takenAtMs: user.takenAtMs.get(hold.requestId) ?? now(),
    }));
  }

  const store: QuotaStore = {
    admit: (admission) =>
      server.ask(() => {
        const user = userOf(admission.userId);
        const today = dayOf(now());
        const [model, kind] = admitInModel(user.model, admission, now(), today);
        user.model = model;
        noteTaken(user, false);
        if (kind === "unknown") return { kind };
        return { kind, snapshot: useOfModel(model, now(), today, kind) };
      }),
    settle: (settlements) => server.ask(() => settlements.map(settleOne)),
    read: (userId) =>
      server.ask(() => {
        const { model } = userOf(userId);
        return model.isKnown ? snapshotOfModel(model, now(), dayOf(now())) : undefined;
      }),
    beginLoad: (userId) =>
      server.ask(() => {
        const user = userOf(userId);
        // A loading of an earlier run of the server is over.
        if (user.model.loading?.nonce.startsWith(`${instance()}:`) === false)
          user.model = { ...user.model, loading: undefined };
        if (user.model.loading === undefined) user.loadingUntilMs = now() + LOADING_TTL_MS;
        const [model, nonce] = beginLoadInModel(user.model, `${instance()}:${++nonces}`);
        user.model = model;
        if (nonce === undefined) return undefined;
        const recentRequestIds = takenHolds(user)
          .filter(({ takenAtMs }) => takenAtMs > now() - RECENT_MS)
          .map(({ requestId }) => requestId);
        return { instance: instance(), nonce, recentRequestIds };
      }),
    load: (userId, ticket, truth) =>
      server.ask(() => {
        if (ticket.instance !== instance()) return "superseded";
        const user = userOf(userId);
        const holds = truth.holds.map((hold) => ({ ...hold, userId }));
        const today = dayOf(now());
        const [model, reply] = loadInModel(user.model, ticket.nonce, { ...truth, holds }, today);
        user.model = model;
        if (reply === "loaded") noteLoaded(user);
        return reply;
      }),
    setLimits: (userId, limits) =>
      server.ask(() => {
        const user = userOf(userId);
        user.model = setLimitsInModel(user.model, limits);
      }),
    forget: (userId) =>
      server.ask(() => {
        const user = userOf(userId);
        user.model = forgetInModel(user.model);
      }),
  };

  const books: HoldBooks = {
    scanHolds: async function* () {
      const holds = await server.ask(() => [...users.values()].flatMap(takenHolds));
      for (let first = 0; first < holds.length; first += PAGE_HOLDS_MAX)
        yield holds
          .slice(first, first + PAGE_HOLDS_MAX)
          .map(({ takenAtMs, ...hold }) => ({ ...hold, heldForMs: now() - takenAtMs }));
    },
    readBooks: (userIds) =>
      server.ask(() =>
        userIds.map((userId) => {
          const user = userOf(userId);
          if (user.isDamaged) return "broken";
          if (!user.model.isKnown) return undefined;
          const snapshot = snapshotOfModel(user.model, now(), dayOf(now()));
          const { day, windows, failedExecutions: failed } = snapshot;
          const daily = countersOf(windows.daily);
          const monthly = countersOf(windows.monthly);
          const failedExecutions = { daily: failed.daily.used, monthly: failed.monthly.used };
          return { day, windows: { daily, monthly }, failedExecutions, holds: takenHolds(user) };
        }),
      ),
    holdFates: (requests) =>
      server.ask(() =>
        requests.map(({ userId, requestId }) => {
          const { model, loadedAtMs, isDamaged } = userOf(userId);
          if (!model.isKnown || isDamaged) return "unknown";
          if (requestId in model.holds) return "held";
          const wasTakenSince = createdAtMs(requestId) > loadedAtMs + CLOCKS_DIFFER_MS_MAX;
          return wasTakenSince ? "gone" : "unknown";
        }),
      ),
  };

  return {
    ...store,
    ...books,
    restart: () => {
      run += 1;
    },
    flush: () => users.clear(),
    damage: (userId) => {
      userOf(userId).isDamaged = true;
    },
    hold: (hold) => {
      const user = userOf(hold.userId);
      if (!user.model.isKnown) {
        const [begun, nonce = ""] = beginLoadInModel(user.model, `${instance()}:${++nonces}`);
        const truth = { limits: begun.limits, days: [], holds: Object.values(begun.holds) };
        [user.model] = loadInModel(begun, nonce, truth, dayOf(now()));
        noteLoaded(user);
      }
      [user.model] = admitInModel(user.model, hold, now(), hold.day);
      noteTaken(user, false);
    },
    ageLoad: (userId, ms) => {
      userOf(userId).loadedAtMs -= ms;
    },
    usedTokens: (userId) => presentOf(userId).windows.daily.used.tokens,
    failedExecutions: (userId) => presentOf(userId).failedExecutions.daily.used,
    openHolds: () => [...users.values()].flatMap(({ model }) => Object.values(model.holds)),
    loseHold: ({ userId, requestId }) => {
      const user = userOf(userId);
      const { [requestId]: _, ...holds } = user.model.holds;
      user.model = { ...user.model, holds };
    },
    knownForMs: (userId) => {
      const { model, knownUntilMs } = userOf(userId);
      return model.isKnown ? knownUntilMs - now() : 0;
    },
  };
}

function newUser(): User {
  return {
    model: UNKNOWN_USER,
    instance: "",
    knownUntilMs: 0,
    loadedAtMs: 0,
    loadingUntilMs: 0,
    takenAtMs: new Map(),
    isDamaged: false,
  };
}

function countersOf({ used, held }: WindowSnapshot): Pick<WindowSnapshot, "used" | "held"> {
  return { used, held };
}

/** The time in a UUIDv7; of another id, not a number. */
function createdAtMs(requestId: string): number {
  return Number.parseInt(requestId.slice(0, 8) + requestId.slice(9, 13), 16);
}
