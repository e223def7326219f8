import type { RequestFact } from "./facts.ts";

/** Unix milliseconds. */
export interface Stretch {
  fromMs: number;
  toMs: number;
}

/** Users of one model whose shares are to follow their weights while all of them wait. */
export interface SharesWish {
  model: string;
  weights: ReadonlyMap<string, number>;
  /**
   * Only what ended in it counts. Requests that were published before anybody had to wait, and what is worked
   * off in a moment afterwards, are in no order that could be fair.
   */
  within?: Stretch;
}

/** What a user got of a model while others waited too. */
export interface Share {
  userId: string;
  /** By the weights. */
  expected: number;
  /** By settled tokens. */
  actual: number;
}

export interface Shares {
  /** How long all of them waited, milliseconds. */
  contendedMs: number;
  /** Requests that ended meanwhile. */
  ended: number;
  shares: Share[];
}

/** A user with fewer open requests may have all of them under way: nothing of theirs waits then. */
const OPEN_MIN = 40;
/** With fewer ends chance decides. */
const ENDED_MIN = 100;
/** Of the share that the weights give. */
const DEVIATION_MAX = 0.1;

/** The longest stretch in which each of the users has requests that wait; undefined: there is none. */
function contendedStretch(
  requests: readonly RequestFact[],
  users: ReadonlySet<string>,
): Stretch | undefined {
  const changes = requests
    .flatMap(({ userId, createdAtMs, completedAtMs }) => [
      { atMs: createdAtMs, userId, by: 1 },
      { atMs: completedAtMs ?? Number.POSITIVE_INFINITY, userId, by: -1 },
    ])
    .toSorted((a, b) => a.atMs - b.atMs);
  const open = new Map<string, number>();
  let longest: Stretch | undefined;
  let fromMs: number | undefined;
  for (const { atMs, userId, by } of changes) {
    const isContended = [...users].every((user) => (open.get(user) ?? 0) >= OPEN_MIN);
    if (!isContended) fromMs = undefined;
    else {
      fromMs ??= atMs;
      if (longest === undefined || atMs - fromMs > longest.toMs - longest.fromMs)
        longest = { fromMs, toMs: atMs };
    }
    open.set(userId, (open.get(userId) ?? 0) + by);
  }
  return longest;
}

/** What each of the users got by settled tokens in the longest time in which all of them waited. */
export function sharesOf(
  all: readonly RequestFact[],
  { model, weights, within = { fromMs: 0, toMs: Number.POSITIVE_INFINITY } }: SharesWish,
): Shares {
  const users = new Set(weights.keys());
  const requests = all.filter((one) => one.model === model && users.has(one.userId));
  const contended = contendedStretch(requests, users) ?? { fromMs: 0, toMs: 0 };
  const stretch = {
    fromMs: Math.max(contended.fromMs, within.fromMs),
    toMs: Math.min(contended.toMs, within.toMs),
  };
  const tokens = new Map<string, number>();
  let ended = 0;
  for (const { userId, completedAtMs, totalTokens } of requests) {
    const atMs = completedAtMs ?? Number.POSITIVE_INFINITY;
    if (atMs <= stretch.fromMs || atMs > stretch.toMs) continue;
    tokens.set(userId, (tokens.get(userId) ?? 0) + (totalTokens ?? 0));
    ended += 1;
  }
  const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
  const [allWeights, allTokens] = [sum(weights.values()), Math.max(1, sum(tokens.values()))];
  const shares = [...weights].map(([userId, weight]) => ({
    userId,
    expected: weight / allWeights,
    actual: (tokens.get(userId) ?? 0) / allTokens,
  }));
  return { contendedMs: Math.max(0, stretch.toMs - stretch.fromMs), ended, shares };
}

/** Shares off by more than a tenth, or too little that would show any. */
export function findUnfair({ ended, shares, contendedMs }: Shares): string[] {
  if (ended < ENDED_MIN)
    return [`only ${ended} requests ended in ${Math.round(contendedMs)} ms while all waited`];
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return shares
    .filter(({ expected, actual }) => Math.abs(actual / expected - 1) > DEVIATION_MAX)
    .map(
      ({ userId, expected, actual }) =>
        `${userId}: ${percent(actual)} of the tokens, by weight ${percent(expected)}`,
    );
}
