import type { Redis } from "ioredis";
import { PRIORITIES } from "../../core/queue/fair-order.ts";
import type { ParkedRef } from "../../core/queue/lane.ts";
import type { RedisOptions } from "./client.ts";
import { connectSubscriber, type RedisConnection } from "./connection.ts";
import { CHANNELS } from "./keys.ts";

type Channel = keyof typeof CHANNELS;

/**
 * Announcements between processes. They come at most once: what must not be missed is read again after
 * `onResubscribed`, and now and then.
 */
export interface Signals {
  /**
   * Announces requests that have ended: one message for the whole batch.
   *
   * @throws {Fault} QUOTA_UNAVAILABLE
   */
  announceFinished: (requestIds: readonly string[]) => Promise<void>;
  announceCancel: (requestId: string) => Promise<void>;
  announceKeyChange: (keyHash: string) => Promise<void>;
  /** Announces whose requests of which models were parked: one message for the whole batch. */
  announceParked: (parked: readonly ParkedRef[]) => Promise<void>;
  /** Announces that the health or the pause of a model has changed. */
  announceModelChange: (model: string) => Promise<void>;
  /** Announces a call whose stream broke off, by a text without a comma that says which. */
  announceBroken: (call: string) => Promise<void>;
  /** These return a function that stops listening. The first listener on a channel subscribes to it. */
  onFinished: (listener: (requestIds: string[]) => void) => () => void;
  onCancel: (listener: (requestId: string) => void) => () => void;
  onKeyChange: (listener: (keyHash: string) => void) => () => void;
  onParked: (listener: (parked: ParkedRef[]) => void) => () => void;
  onModelChange: (listener: (model: string) => void) => () => void;
  onBroken: (listener: (call: string) => void) => () => void;
  /**
   * Calls back each time the process is subscribed (again): announcements before that may have been missed.
   */
  onResubscribed: (listener: () => void) => () => void;
  /** Closes the subscribing connection. */
  close: () => void;
}

/**
 * `redis` publishes; a connection of its own subscribes, because one that is subscribed takes no other
 * commands. Ids are joined by commas: 18 KB for a batch of 500, which is little beside turning a binary form
 * back into text in every gateway.
 */
export function createSignals(redis: RedisConnection, options: RedisOptions): Signals {
  const listeners: Record<Channel, Set<(ids: string[]) => void>> = {
    finished: new Set(),
    cancel: new Set(),
    keyChange: new Set(),
    parked: new Set(),
    modelChange: new Set(),
    broken: new Set(),
  };
  const resubscribed = new Set<() => void>();
  const subscriber = connectSubscriber({ ...options, name: `${options.name}-signals` });
  const wired = new WeakSet<Redis>();

  function deliver(channelName: string, message: string): void {
    const ids = message.split(",");
    for (const channel of channelNames())
      if (CHANNELS[channel] === channelName) for (const listen of listeners[channel]) listen(ids);
  }

  async function subscribe(client: Redis): Promise<void> {
    if (!wired.has(client)) {
      wired.add(client);
      client.on("message", deliver);
    }
    const wanted = channelNames().filter((channel) => listeners[channel].size > 0);
    if (wanted.length === 0) return;
    try {
      await client.subscribe(...wanted.map((channel) => CHANNELS[channel]));
      for (const listen of resubscribed) listen();
    } catch {
      // Only a lost connection: the next one subscribes again.
      options.log.debug({}, "redis: could not subscribe");
    }
  }

  subscriber.onReady(({ client }) => void subscribe(client));

  function listenOn(channel: Channel, listener: (ids: string[]) => void): () => void {
    listeners[channel].add(listener);
    if (listeners[channel].size === 1 && subscriber.isReady())
      void subscribe(subscriber.server().client);
    return () => listeners[channel].delete(listener);
  }

  async function announce(channel: Channel, message: string): Promise<void> {
    await redis.run(({ client }) => client.publish(CHANNELS[channel], message));
  }

  return {
    announceFinished: async (requestIds) => {
      if (requestIds.length > 0) await announce("finished", requestIds.join(","));
    },
    announceCancel: (requestId) => announce("cancel", requestId),
    announceKeyChange: (keyHash) => announce("keyChange", keyHash),
    announceParked: async (parked) => {
      // Most of a batch are of few users.
      const texts = new Set(
        parked.map(({ model, userId, priority }) => `${model} ${userId} ${priority}`),
      );
      if (texts.size > 0) await announce("parked", [...texts].join(","));
    },
    announceModelChange: (model) => announce("modelChange", model),
    announceBroken: (call) => announce("broken", call),
    onFinished: (listener) => listenOn("finished", listener),
    onCancel: (listener) => listenOn("cancel", (ids) => ids.forEach(listener)),
    onKeyChange: (listener) => listenOn("keyChange", (hashes) => hashes.forEach(listener)),
    onParked: (listener) => listenOn("parked", (texts) => listener(texts.map(parkedRefOf))),
    onModelChange: (listener) => listenOn("modelChange", (models) => models.forEach(listener)),
    onBroken: (listener) => listenOn("broken", (calls) => calls.forEach(listener)),
    onResubscribed: (listener) => {
      resubscribed.add(listener);
      return () => resubscribed.delete(listener);
    },
    close: subscriber.close,
  };
}

function channelNames(): Channel[] {
  return ["finished", "cancel", "keyChange", "parked", "modelChange", "broken"];
}

/** No name of a model has a space or a comma, and a user id is a UUID. */
function parkedRefOf(text: string): ParkedRef {
  const [model = "", userId = "", priority = ""] = text.split(" ");
  return { model, userId, priority: PRIORITIES.find((known) => known === priority) ?? "normal" };
}
