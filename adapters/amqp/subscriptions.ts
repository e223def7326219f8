/** A subscription of a channel, as RabbitMQ counts it. */
export interface Subscription {
  /** Most unsettled messages that the broker sends on it. */
  prefetch: number;
  /** Messages that came on it and are not settled. */
  owned: number;
}

export type SubscriptionStep<One extends Subscription> =
  | { kind: "subscribe"; prefetch: number }
  | { kind: "cancel"; subscriptions: readonly One[] };

/**
 * Most subscriptions of one channel. Enough for the small ones that a change leaves behind to be few beside
 * the large ones; each is an entry in the state of the queue.
 */
const SUBSCRIPTIONS_MAX = 16;

/**
 * Returns what to do next so that up to `wanted` messages may be owned at once; undefined: nothing for now.
 * `left` counts unsettled messages of subscriptions that were cancelled.
 *
 * A subscription keeps the prefetch that it began with, and when it is cancelled its messages stay ours. (A
 * prefetch per channel could be changed, but quorum queues know none.) So a larger prefetch adds a
 * subscription of what is free; a smaller one cancels some, and what is free of them again is added as their
 * messages are settled. The more subscriptions there are, the more must be free for another; else every
 * settled message would end in one of its own. When there are too many, the small ones are cancelled and come
 * back as fewer.
 */
export function nextSubscriptionStep<One extends Subscription>(
  wanted: number,
  subscriptions: readonly One[],
  left: number,
): SubscriptionStep<One> | undefined {
  const held = subscriptions.reduce((sum, { prefetch }) => sum + prefetch, 0);
  const ascending = subscriptions.toSorted((one, other) => one.prefetch - other.prefetch);
  if (held > wanted) {
    const excess = held - wanted;
    const enough = ascending.find(({ prefetch }) => prefetch >= excess) ?? ascending.at(-1);
    return enough && { kind: "cancel", subscriptions: [enough] };
  }
  const free = wanted - held - left;
  const crowding = subscriptions.length / (SUBSCRIPTIONS_MAX / 2);
  if (free <= 0 || free < left * crowding) return undefined;
  if (subscriptions.length < SUBSCRIPTIONS_MAX) return { kind: "subscribe", prefetch: free };
  return { kind: "cancel", subscriptions: ascending.slice(0, SUBSCRIPTIONS_MAX / 2) };
}
