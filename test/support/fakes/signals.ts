import type { Signals } from "../../../adapters/redis/signals.ts";
import type { ParkedRef } from "../../../core/queue/lane.ts";
import type { FakeServer } from "./server.ts";

/** Announcements between processes without Redis. They arrive at the end of the turn, in order. */
export interface FakeSignals extends Omit<Signals, "close"> {
  /** The subscribing connection is lost: nothing is heard until `resubscribe`. */
  loseSubscription: () => void;
  /** The subscriptions stand again, and who wants to know is told. */
  resubscribe: () => void;
}

type Listener<Item> = (items: Item[]) => void;

export function createFakeSignals(server: FakeServer): FakeSignals {
  const finished = new Set<Listener<string>>();
  const cancel = new Set<Listener<string>>();
  const keyChange = new Set<Listener<string>>();
  const parked = new Set<Listener<ParkedRef>>();
  const modelChange = new Set<Listener<string>>();
  const broken = new Set<Listener<string>>();
  const resubscribed = new Set<() => void>();
  let isSubscribed = true;

  function announce<Item>(
    listeners: ReadonlySet<Listener<Item>>,
    items: readonly Item[],
  ): Promise<void> {
    return server.ask(() => {
      if (!isSubscribed || items.length === 0) return;
      setImmediate(() => {
        for (const listen of listeners) listen([...items]);
      });
    });
  }

  function listenOn<Item>(listeners: Set<Listener<Item>>, listener: Listener<Item>): () => void {
    listeners.add(listener);
    if (listeners.size === 1) setImmediate(tellResubscribed);
    return () => void listeners.delete(listener);
  }

  function tellResubscribed(): void {
    if (isSubscribed) for (const listen of resubscribed) listen();
  }

  return {
    announceFinished: (requestIds) => announce(finished, requestIds),
    announceCancel: (requestId) => announce(cancel, [requestId]),
    announceKeyChange: (keyHash) => announce(keyChange, [keyHash]),
    announceParked: (refs) => announce(parked, withoutDoubles(refs)),
    announceModelChange: (model) => announce(modelChange, [model]),
    announceBroken: (call) => announce(broken, [call]),
    onFinished: (listener) => listenOn(finished, listener),
    onCancel: (listener) => listenOn(cancel, (ids) => ids.forEach(listener)),
    onKeyChange: (listener) => listenOn(keyChange, (hashes) => hashes.forEach(listener)),
    onParked: (listener) => listenOn(parked, listener),
    onModelChange: (listener) => listenOn(modelChange, (models) => models.forEach(listener)),
    onBroken: (listener) => listenOn(broken, (calls) => calls.forEach(listener)),
    onResubscribed: (listener) => {
      resubscribed.add(listener);
      return () => void resubscribed.delete(listener);
    },
    loseSubscription: () => {
      isSubscribed = false;
    },
    resubscribe: () => {
      isSubscribed = true;
      tellResubscribed();
    },
  };
}

function withoutDoubles(refs: readonly ParkedRef[]): ParkedRef[] {
  const found = new Map(refs.map((ref) => [`${ref.model} ${ref.userId} ${ref.priority}`, ref]));
  return [...found.values()].map(({ model, userId, priority }) => ({ model, userId, priority }));
}
