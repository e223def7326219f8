import { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { connect, type Channel, type ChannelModel, type SocketOptions } from "amqplib";
import { backoffMs } from "../../runtime/backoff.ts";
import { type AmqpAddress, readAmqpUrl } from "../../core/config/amqp-url.ts";
import type { Log } from "../../runtime/log.ts";
import { Fault } from "../../core/faults.ts";
import { joinWrites } from "../sockets/join-writes.ts";
import { brokerFault, within } from "./broker-fault.ts";
import { filesOfUrl, type TlsFiles } from "../tls/tls-files.ts";
import { closeQuietly, KeptChannel, REOPEN_BACKOFF, type ChannelRole } from "./kept-channel.ts";
import { TopologyMismatchError, type WithChannel } from "./topology.ts";

/** `blocked`: connected, but the broker takes no messages (memory or disk alarm); deliveries still come. */
export type ConnectionState = "up" | "blocked" | "down";

/** The nodes of one RabbitMQ. */
export interface AmqpServer {
  url: string;
  /** More nodes of the same cluster: the next one is tried when a connection is lost or cannot be made. */
  moreUrls?: readonly string[];
  /** Certificates; read anew for each connection. Without: those that the machine trusts. */
  tls?: TlsFiles;
}

export interface AmqpOptions extends AmqpServer {
  /** A broker silent for two to three times this is taken for dead. */
  heartbeatSeconds: number;
  /** Shown in the broker's list of connections. */
  name: string;
  log: Log;
  onState?: (state: ConnectionState) => void;
  /**
   * Runs on every new connection before it counts as up, so that a broker that lost its queues gets them
   * back.
   */
  prepare?: (withChannel: WithChannel) => Promise<void>;
  /** Longest handshake, and longest use of a throw-away channel. Default 10 s. */
  operationTimeoutMs?: number;
}

interface LiveConnection {
  model: ChannelModel;
  /** Aborting it destroys the socket. */
  socket: AbortController;
}

interface Waiter {
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Connects in the background, so that it does not throw when the broker is away.
 *
 * @throws {Error} when the URL is not valid
 */
export function connectAmqp(options: AmqpOptions): AmqpConnection {
  return new AmqpConnection(options);
}

/**
 * One TCP connection to the broker, made again for ever whenever it is lost, with the channels kept on it.
 *
 * The loop is our own and not amqplib's `recovery` (2.3.1), because that leaves three things open: it listens
 * to a connection's `error` and `close` only after its `setup` has run, so that a connection cut during
 * `setup` throws an unhandled `error`; it bounds neither the handshake nor `setup`; and it leaves half-open
 * sockets to the kernel, where an `AbortSignal` closes them.
 */
export class AmqpConnection {
  readonly log: Log;
  readonly #options: AmqpOptions;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  readonly #kept = new Set<KeptChannel>();
  readonly #waiters = new Set<Waiter>();
  readonly #living: Promise<void>;
  #state: ConnectionState = "down";
  #live: LiveConnection | undefined;
  #lastError: unknown;
  #failures = 0;

  constructor(options: AmqpOptions) {
    this.log = options.log;
    this.#options = options;
    this.#timeoutMs = options.operationTimeoutMs ?? 10_000;
    const addresses = [options.url, ...(options.moreUrls ?? [])].map(readAmqpUrl);
    this.#living = this.#liveForEver(addresses);
  }

  state(): ConnectionState {
    return this.#state;
  }

  /**
   * Resolves as soon as the connection is up.
   *
   * @throws {Fault} BROKER_UNAVAILABLE after `waitMs`, with the last error as its cause
   * @throws {TopologyMismatchError} at once when `prepare` met one, because waiting would not help
   */
  async whenUp(waitMs: number): Promise<void> {
    if (this.#live !== undefined) return;
    if (this.#closing.signal.aborted) throw brokerFault("the connection to the queue was closed");
    if (this.#lastError instanceof TopologyMismatchError) throw this.#lastError;
    const waiter = Promise.withResolvers<void>();
    this.#waiters.add(waiter);
    const timer = setTimeout(
      () =>
        waiter.reject(
          brokerFault(`the queue was not reached within ${waitMs} ms`, this.#lastError),
        ),
      waitMs,
    );
    try {
      await waiter.promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    }
  }

  /**
   * Uses a throw-away channel.
   *
   * @throws {Fault} BROKER_UNAVAILABLE when not connected, on any client error and after the timeout
   * @throws {TopologyMismatchError} when `use` does
   */
  readonly withChannel: WithChannel = async (use, withinMs = this.#timeoutMs) => {
    if (this.#live === undefined)
      throw brokerFault("there is no connection to the queue", this.#lastError);
    return useChannel(this.#live.model, withinMs, use);
  };

  /**
   * Opens a channel, and opens it again whenever it or the connection was lost. Returns a function that gives
   * it up within a limit.
   */
  keepChannel(role: ChannelRole): (withinMs: number) => Promise<void> {
    const kept = new KeptChannel(role, { current: () => this.#live?.model, log: this.log });
    this.#kept.add(kept);
    if (this.#live !== undefined) kept.open(this.#live.model);
    return async (withinMs) => {
      this.#kept.delete(kept);
      await kept.release(withinMs);
    };
  }

  /**
   * Ends the connection for good: closes it within `withinMs`, then drops the socket. What was not confirmed
   * is rejected.
   */
  async close(withinMs = 2_000): Promise<void> {
    const live = this.#live;
    this.#closing.abort();
    for (const waiter of this.#waiters)
      waiter.reject(brokerFault("the connection to the queue was closed"));
    if (live !== undefined) {
      // Closing a connection that has just been lost throws; then it is closed.
      const goodbye = Promise.resolve().then(() => live.model.close());
      await within(withinMs, "closing the connection", goodbye).catch(() => {});
      live.socket.abort();
    }
    await within(1_000, "ending the connection", this.#living).catch(() => {});
  }

  async #liveForEver(addresses: readonly AmqpAddress[]): Promise<void> {
    const { signal } = this.#closing;
    for (let nth = 0; !signal.aborted; nth += 1) {
      const address = addresses[nth % addresses.length] as AmqpAddress;
      const error = await this.#liveOnce(address);
      if (signal.aborted) return;
      this.#lastError = error;
      if (error instanceof TopologyMismatchError)
        for (const waiter of this.#waiters) waiter.reject(error);
      this.#failures += 1;
      const delayMs = backoffMs(REOPEN_BACKOFF, this.#failures, Math.random());
      this.log.warn(
        { connection: this.#options.name, reason: describe(error), delayMs },
        "no connection to the broker, trying again",
      );
      await pause(delayMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Makes one connection and stays with it until it is lost; returns what prevented or ended it. */
  async #liveOnce(address: AmqpAddress): Promise<unknown> {
    const socket = new AbortController();
    const abandon = (): void => {
      if (this.#live === undefined) socket.abort();
    };
    this.#closing.signal.addEventListener("abort", abandon);
    try {
      const model = await this.#open(address, socket.signal);
      const lost = Promise.withResolvers<never>();
      // A loss before anyone awaits it must not count as an unhandled rejection.
      lost.promise.catch(() => {});
      // Without a listener an `error` event would end the process. `close` always follows and carries the
      // error.
      model.on("error", () => {});
      model.on("close", (error) => lost.reject(error ?? new Error("the connection was closed")));
      const prepared = this.#options.prepare?.((use) => useChannel(model, this.#timeoutMs, use));
      await Promise.race([prepared, lost.promise]);
      this.#closing.signal.throwIfAborted();
      this.#announce({ model, socket });
      return await lost.promise;
    } catch (error) {
      return this.#options.tls?.explain(error) ?? error;
    } finally {
      this.#closing.signal.removeEventListener("abort", abandon);
      this.#live = undefined;
      this.#setState("down");
      // After a heartbeat timeout the peer never answers our FIN, so the socket must go without it.
      socket.abort();
    }
  }

  async #open(address: AmqpAddress, signal: AbortSignal): Promise<ChannelModel> {
    const { tls: named, ...place } = address;
    const encryption = place.protocol === "amqps" && {
      rejectUnauthorized: true,
      minVersion: "TLSv1.2" as const,
      ...(this.#options.tls ?? filesOfUrl(named))?.current(),
      checkServerIdentity: (name: string, certificate: PeerCertificate) => {
        this.#options.tls?.noteServer(certificate);
        return checkServerIdentity(name, certificate);
      },
    };
    const socketOptions: SocketOptions & { signal: AbortSignal } = {
      ...encryption,
      noDelay: true,
      signal,
      clientProperties: { connection_name: this.#options.name },
    };
    return within(
      this.#timeoutMs,
      "the handshake with the broker",
      connect({ ...place, heartbeat: this.#options.heartbeatSeconds }, socketOptions),
    );
  }

  #announce(live: LiveConnection): void {
    this.#live = live;
    this.#failures = 0;
    this.#lastError = undefined;
    joinWritesOf(live.model);
    live.model.on("blocked", () => this.#setState("blocked"));
    live.model.on("unblocked", () => this.#setState("up"));
    this.log.info({ connection: this.#options.name }, "connected to the broker");
    this.#setState("up");
    for (const waiter of this.#waiters) waiter.resolve();
    for (const kept of this.#kept) kept.open(live.model);
  }

  #setState(next: ConnectionState): void {
    if (next === this.#state) return;
    this.#state = next;
    this.#options.onState?.(next);
  }
}

/** The client's types hide its socket. */
function joinWritesOf(model: ChannelModel): void {
  const { stream } = model.connection as { stream?: unknown };
  if (stream instanceof Socket) joinWrites(stream);
}

/** Opens a channel, uses it and closes it, all of it in `timeoutMs`. */
async function useChannel<T>(
  model: ChannelModel,
  timeoutMs: number,
  use: (channel: Channel) => Promise<T>,
): Promise<T> {
  const work = async (): Promise<T> => {
    const channel = await model.createChannel();
    channel.on("error", () => {}); // the pending call rejects with the same error
    try {
      return await use(channel);
    } finally {
      await closeQuietly(channel, timeoutMs);
    }
  };
  try {
    return await within(timeoutMs, "an operation on the queue", work());
  } catch (error) {
    if (error instanceof Fault || error instanceof TopologyMismatchError) throw error;
    throw brokerFault("an operation on the queue failed", error);
  }
}

/** The error and what caused it, for a log line. The client never quotes the URL. */
function describe(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error
    ? `${String(error)} (${String(error.cause)})`
    : String(error);
}
