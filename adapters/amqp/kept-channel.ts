import type { ChannelModel, ConfirmChannel } from "amqplib";
import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import type { Log } from "../../runtime/log.ts";
import { within } from "./broker-fault.ts";

/** Half of each pause at random, so that processes which lost the same broker do not come back at once. */
export const REOPEN_BACKOFF: Backoff = { firstMs: 100, longestMs: 5_000, jitter: 0.5 };

export interface ChannelRole {
  /** What the channel is for, in logs. */
  name: string;
  /**
   * Makes a fresh channel ready (prefetch, subscription). A throw closes the channel; another one is tried
   * later.
   */
  setup: (channel: ConfirmChannel) => Promise<void> | void;
  /** The channel last given to `setup` is gone, with everything unsettled on it. */
  lost?: () => void;
}

export interface ChannelHome {
  /** The connection that is up now. */
  current: () => ChannelModel | undefined;
  log: Log;
}

/**
 * A channel that lives as long as its owner wants: opened on every new connection, and opened again with
 * backoff when it alone was closed (a missing queue, a protocol error). A step that the broker does not
 * answer ends with the connection's heartbeat.
 */
export class KeptChannel {
  readonly #role: ChannelRole;
  readonly #home: ChannelHome;
  #channel: ConfirmChannel | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #isReleased = false;

  constructor(role: ChannelRole, home: ChannelHome) {
    this.#role = role;
    this.#home = home;
  }

  /** Opens the channel on a connection that has come up. */
  open(model: ChannelModel): void {
    clearTimeout(this.#timer);
    this.#failures = 0;
    void this.#openOn(model);
  }

  /**
   * Closes the channel for good, within `withinMs`; the broker takes back the deliveries that were not
   * settled.
   */
  async release(withinMs: number): Promise<void> {
    this.#isReleased = true;
    clearTimeout(this.#timer);
    const channel = this.#channel;
    if (channel !== undefined) await closeQuietly(channel, withinMs);
  }

  async #openOn(model: ChannelModel): Promise<void> {
    const { name, setup, lost } = this.#role;
    let channel: ConfirmChannel | undefined;
    try {
      channel = await model.createConfirmChannel();
      const opened = channel;
      // Without a listener an `error` event would take down the whole connection. `close` always follows.
      opened.on("error", (error) =>
        this.#home.log.warn(
          { channel: name, reason: String(error) },
          "the broker closed a channel",
        ),
      );
      opened.on("close", () => {
        if (this.#channel === opened) this.#channel = undefined;
        lost?.();
        this.#reopenLater(model);
      });
      this.#channel = opened;
      if (!this.#isReleased) await setup(opened);
      if (this.#isReleased) await closeQuietly(opened, 1_000);
      // `setup` may resolve on a channel that the broker has closed meanwhile: that is no success.
      else if (this.#channel === opened) this.#failures = 0;
    } catch (error) {
      this.#home.log.warn({ channel: name, reason: String(error) }, "could not set up a channel");
      // Its `close` event schedules the next try; a channel that never opened has none.
      if (channel === undefined) this.#reopenLater(model);
      else await closeQuietly(channel, 1_000);
    }
  }

  #reopenLater(model: ChannelModel): void {
    if (this.#isReleased || this.#home.current() !== model) return;
    this.#failures += 1;
    const delayMs = backoffMs(REOPEN_BACKOFF, this.#failures, Math.random());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#home.current() === model) void this.#openOn(model);
    }, delayMs);
  }
}

/**
 * Closes a channel that may be closed already or whose broker may never answer; either way its deliveries go
 * back to the broker.
 */
export async function closeQuietly(
  channel: Pick<ConfirmChannel, "close">,
  withinMs: number,
): Promise<void> {
  // `close` of a closed channel throws, so it runs inside the promise.
  const closed = Promise.resolve().then(() => channel.close());
  await within(withinMs, "closing a channel", closed).catch(() => {});
}
