import type { Signals } from "../../../adapters/redis/signals.ts";
import type { FakeServer } from "./server.ts";

/** Announcements between processes without Redis. They arrive at the end of the turn, in order. */
export interface FakeSignals extends Omit<Signals, "close"> {
  /** The subscribing connection is lost: nothing is heard until `resubscribe`. */
  loseSubscription: () => void;
  /** The subscriptions stand again, and who wants to know is told. */
  resubscribe: () => void;
}

type Listener = (ids: string[]) => void;

export function createFakeSignals(server: FakeServer): FakeSignals {
  const finished = new Set<Listener>();
  const cancel = new Set<Listener>();
  const keyChange = new Set<Listener>();
  const resubscribed = new Set<() => void>();
  let isSubscribed = true;

  function announce(listeners: ReadonlySet<Listener>, ids: readonly string[]): Promise<void> {
    return server.ask(() => {
      if (!isSubscribed || ids.length === 0) return;
      setImmediate(() => {
        for (const listen of listeners) listen([...ids]);
      });
    });
  }

  function listenOn(listeners: Set<Listener>, listener: Listener): () => void {
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
    onFinished: (listener) => listenOn(finished, listener),
    onCancel: (listener) => listenOn(cancel, (ids) => ids.forEach(listener)),
    onKeyChange: (listener) => listenOn(keyChange, (hashes) => hashes.forEach(listener)),
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
