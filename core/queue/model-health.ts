/**
 * What went wrong with a call of an ML service. `unreachable`: not reached before the request was sent;
 * `busy`: 429; `unavailable`: 502,
 * 503, or still loading; `refused`: it rejects *us* (401, 402, 403, 404, 407); `failing`: an execution that
 * failed (500, 504, timeouts,
 * cut calls, replies that make no sense). All but the last are no executions.
 */
export type Trouble = "unreachable" | "busy" | "unavailable" | "refused" | "failing";

/** One call that met trouble. Times are milliseconds; `message` is in our own words and shows no content. */
export interface TroubleEvent {
  trouble: Trouble;
  userId: string;
  message: string;
  /** From the start of the call to its end, so that no two clocks are compared. */
  tookMs: number;
  /** What the service asked for; null: nothing. */
  retryAfterMs: number | null;
  /** Whether the call was the probe of a paused model. */
  isProbe: boolean;
}

/** The trouble of one user since their last success: their *lane*. */
export interface UserTrouble {
  trouble: Trouble;
  message: string;
  failures: number;
  lastMs: number;
  /** Length of the last pause; 0: none yet. */
  pauseMs: number;
  /** When that pause began. */
  pausedAtMs: number;
  /** Nothing of the user is called before; afterwards one request at a time until one succeeds. */
  untilMs: number;
  /** Until when somebody is trying that one request; 0: nobody is. */
  probeUntilMs: number;
}

export interface ModelPause {
  cause: Trouble;
  message: string;
  sinceMs: number;
  pauseMs: number;
  /** When the next probe is due. */
  untilMs: number;
  /** The worker that probes, and until when it may; null: nobody. */
  probe: { workerId: string; untilMs: number } | null;
}

/** What all workers together know of one model's ML service. Healthy: nothing is kept. */
export interface ModelHealth {
  pause: ModelPause | null;
  users: Readonly<Record<string, UserTrouble>>;
  /** Users whose calls succeeded while others were in trouble, and when. */
  well: Readonly<Record<string, number>>;
}

/** A record as it is now, and the time by the clock that all judgements about it go by. */
export interface DatedHealth {
  health: ModelHealth;
  /** Unix milliseconds. */
  atMs: number;
}

export const HEALTHY: ModelHealth = { pause: null, users: {}, well: {} };

/** Whether the record says nothing. */
export function isHealthy({ pause, users, well }: ModelHealth): boolean {
  return pause === null && Object.keys(users).length === 0 && Object.keys(well).length === 0;
}

export interface HealthPolicy {
  /** Failed executions that pause: of one user their lane, of several users together the model. */
  failuresMax: number;
  /** The first pause, and the longest that doubling leads to. A `Retry-After` may ask for more. */
  pauseFirstMs: number;
  pauseMaxMs: number;
}

/** What was seen longer ago says nothing about now. */
const SEEN_MS = 60_000;
/** Entries of users are dropped this long after their pause. */
const FORGET_MS = 600_000;
/** Bounds the record; whoever was in trouble longest ago is forgotten first. */
const USERS_MAX = 500;
/** A service that asks for more than a day is asked once a day. */
const RETRY_AFTER_MAX_MS = 86_400_000;
/** Fewer calls that were no executions are an accident. */
const UNAVAILABLE_MIN = 2;
/** Failures of a single user from which on the service is suspected, where nobody else's calls tell. */
const SUSPECT_FAILURES = 3;

/** The record after a call that met trouble. */
export function afterTrouble(
  health: ModelHealth,
  event: TroubleEvent,
  atMs: number,
  policy: HealthPolicy,
): ModelHealth {
  const known = health.users[event.userId];
  const user = userAfterTrouble(known, event, atMs, policy);
  const { [event.userId]: _wasWell, ...well } = health.well;
  const next = pruned({ ...health, users: { ...health.users, [event.userId]: user }, well }, atMs);
  return { ...next, pause: pauseAfterTrouble(next, event, atMs, policy) };
}

function userAfterTrouble(
  known: UserTrouble | undefined,
  event: TroubleEvent,
  atMs: number,
  policy: HealthPolicy,
): UserTrouble {
  const { trouble, message } = event;
  const failures = (known?.failures ?? 0) + 1;
  const seen = { trouble, message, failures, lastMs: atMs, probeUntilMs: 0 };
  const before = known ?? { pauseMs: 0, pausedAtMs: 0, untilMs: 0 };
  const { pauseMs, pausedAtMs, untilMs } = before;
  const asked = retryAfterOf(event);
  // It ran already when the pause began: it says nothing new, but for a longer wish of the service.
  if (pauseMs > 0 && atMs - event.tookMs < pausedAtMs) {
    return { ...seen, pauseMs, pausedAtMs, untilMs: Math.max(untilMs, atMs + asked) };
  }
  if (trouble === "failing" && failures < policy.failuresMax) {
    return { ...seen, pauseMs, pausedAtMs, untilMs };
  }
  const grown = grownPause(pauseMs, policy);
  return { ...seen, pauseMs: grown, pausedAtMs: atMs, untilMs: atMs + Math.max(grown, asked) };
}

function pauseAfterTrouble(
  health: ModelHealth,
  event: TroubleEvent,
  atMs: number,
  policy: HealthPolicy,
): ModelPause | null {
  const { pause } = health;
  const { trouble: cause, message } = event;
  const asked = retryAfterOf(event);
  if (pause !== null) {
    // While it is paused only its probe tells something new; a longer wish of the service counts always.
    if (!event.isProbe) return { ...pause, untilMs: Math.max(pause.untilMs, atMs + asked) };
    const pauseMs = grownPause(pause.pauseMs, policy);
    const untilMs = atMs + Math.max(pauseMs, asked);
    return { cause, message, sinceMs: pause.sinceMs, pauseMs, untilMs, probe: null };
  }
  if (cause !== "unreachable" && !isIll(health, cause, atMs, policy)) return null;
  const pauseMs = policy.pauseFirstMs;
  return {
    cause,
    message,
    sinceMs: atMs,
    pauseMs,
    untilMs: atMs + Math.max(pauseMs, asked),
    probe: null,
  };
}

/** Whether the service is to blame: several users are in trouble, more than are well, and often enough. */
function isIll(health: ModelHealth, cause: Trouble, atMs: number, policy: HealthPolicy): boolean {
  const recent = Object.values(health.users).filter(({ lastMs }) => atMs - lastMs < SEEN_MS);
  const well = Object.values(health.well).filter((seenMs) => atMs - seenMs < SEEN_MS);
  const failures = recent.reduce((sum, user) => sum + user.failures, 0);
  const enough = cause === "failing" ? policy.failuresMax : UNAVAILABLE_MIN;
  return recent.length >= 2 && recent.length > well.length && failures >= enough;
}

function grownPause(pauseMs: number, policy: HealthPolicy): number {
  return Math.min(policy.pauseMaxMs, pauseMs === 0 ? policy.pauseFirstMs : 2 * pauseMs);
}

function retryAfterOf({ retryAfterMs }: TroubleEvent): number {
  return Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS);
}

/**
 * The record after a call that the service answered: with a result, or with a refusal of that very request.
 */
export function afterSuccess(
  health: ModelHealth,
  { userId, isProbe }: { userId: string; isProbe: boolean },
  atMs: number,
): ModelHealth {
  // The service answers again: whoever it had not answered may come at once. Failed executions stay the
  // user's own.
  const kept = Object.entries(health.users).filter(
    ([id, { trouble }]) => id !== userId && (!isProbe || trouble === "failing"),
  );
  const pause = isProbe ? null : health.pause;
  if (kept.length === 0 && pause === null) return HEALTHY;
  const users = Object.fromEntries(kept);
  return pruned({ pause, users, well: { ...health.well, [userId]: atMs } }, atMs);
}

/** `probe`: one request of the user may be tried, by whoever takes `withUserProbe`. */
export type Leave =
  | { kind: "go" }
  | { kind: "probe" }
  | { kind: "model_paused"; untilMs: number }
  | { kind: "user_paused"; untilMs: number };

/** Whether a request of the user may be called now. The worker that probes a paused model does not ask. */
export function leaveOf(health: ModelHealth, userId: string, atMs: number): Leave {
  if (health.pause !== null) return { kind: "model_paused", untilMs: health.pause.untilMs };
  const user = health.users[userId];
  if (user === undefined || user.pauseMs === 0) return { kind: "go" };
  const untilMs = Math.max(user.untilMs, user.probeUntilMs);
  return atMs < untilMs ? { kind: "user_paused", untilMs } : { kind: "probe" };
}

/**
 * The record with this worker probing the paused model for at most `probeMs`; null: it is not due, or
 * somebody else does.
 */
export function withProbe(
  health: ModelHealth,
  workerId: string,
  atMs: number,
  probeMs: number,
): ModelHealth | null {
  const { pause } = health;
  if (pause === null || atMs < pause.untilMs) return null;
  const { probe } = pause;
  if (probe !== null && probe.workerId !== workerId && atMs < probe.untilMs) return null;
  return { ...health, pause: { ...pause, probe: { workerId, untilMs: atMs + probeMs } } };
}

/** The record without this worker's probe, which came to nothing: somebody else may take it at once. */
export function withoutProbe(health: ModelHealth, workerId: string): ModelHealth {
  const { pause } = health;
  if (pause?.probe?.workerId !== workerId) return health;
  return { ...health, pause: { ...pause, probe: null } };
}

/**
 * The record with one request of the user being tried for at most `probeMs`; null: the pause is not over,
 * or one is tried already.
 */
export function withUserProbe(
  health: ModelHealth,
  userId: string,
  atMs: number,
  probeMs: number,
): ModelHealth | null {
  const user = health.users[userId];
  if (user === undefined || leaveOf(health, userId, atMs).kind !== "probe") return null;
  const tried = { ...user, probeUntilMs: atMs + probeMs };
  return { ...health, users: { ...health.users, [userId]: tried } };
}

/**
 * The record with the trial of the user's one request held until `untilMs`, by whoever took it; 0 gives it
 * back, so that another may be tried at once.
 */
export function withUserProbeUntil(
  health: ModelHealth,
  userId: string,
  untilMs: number,
): ModelHealth {
  const user = health.users[userId];
  if (user === undefined || user.probeUntilMs === 0) return health;
  return { ...health, users: { ...health.users, [userId]: { ...user, probeUntilMs: untilMs } } };
}

/**
 * What an operator should look at although the model is not paused: only one user calls, and nothing of
 * theirs succeeds.
 */
export function suspicionOf(health: ModelHealth, atMs: number): UserTrouble | null {
  if (Object.values(health.well).some((seenMs) => atMs - seenMs < SEEN_MS)) return null;
  const suspects = Object.values(health.users).filter(
    ({ failures, untilMs, lastMs }) =>
      failures >= SUSPECT_FAILURES && Math.max(untilMs, lastMs + SEEN_MS) > atMs,
  );
  return suspects.toSorted((a, b) => b.failures - a.failures)[0] ?? null;
}

function pruned(health: ModelHealth, atMs: number): ModelHealth {
  const users = Object.entries(health.users)
    .filter(([, { lastMs, untilMs }]) => Math.max(lastMs, untilMs) > atMs - FORGET_MS)
    .toSorted(([, a], [, b]) => b.lastMs - a.lastMs)
    .slice(0, USERS_MAX);
  const well = Object.entries(health.well)
    .filter(([, seenMs]) => seenMs > atMs - SEEN_MS)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, USERS_MAX);
  return { ...health, users: Object.fromEntries(users), well: Object.fromEntries(well) };
}
