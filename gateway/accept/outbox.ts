import { Fault } from "../../core/faults.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { repeat } from "../../runtime/repeat.ts";
import type { GatewayPorts } from "../ports.ts";

type Ports = Pick<
  GatewayPorts,
  | "config"
  | "log"
  | "metrics"
  | "now"
  | "schedule"
  | "newId"
  | "publish"
  | "brokerUp"
  | "readQueued"
  | "notePublisher"
  | "reach"
>;

export interface Outbox {
  /** Makes this gateway known to the keeper; nothing may be accepted before. */
  start: () => Promise<void>;
  /**
   * Opens a place for a request that is about to be stored.
   *
   * @throws {Fault} OUTBOX_FULL
   */
  open: (requestId: string) => void;
  /** The request was not stored, or it is parked: this gateway has nothing to publish. */
  drop: (requestId: string) => void;
  /** The request is committed: publishes it, now or when the broker is back. Never throws, never waits. */
  publish: (request: QueuedRequest) => void;
  /** The request turned out to be committed after all: reads it and publishes it soon. */
  publishStored: (requestId: string) => void;
  depth: () => number;
  /**
   * Waits until everything is confirmed, at most `ms`, then notes how far it came. What is left, the keeper
   * relays.
   */
  drain: (ms: number) => Promise<void>;
}

/** Rows read again at once when the broker is back. */
const RELAY_ROWS_MAX = 100;
/** Pause between two looks at what could not be published. */
const RELAY_PAUSE_MS = 250;
/**
 * The note doubles as a sign of life, so an idle gateway repeats it this often. Keep well below
 * `keeper.gateway_silent_ms`.
 */
const SIGN_OF_LIFE_MS = 1_000;

/**
 * The requests of this gateway that are stored but not confirmed by the broker. Ids are time-ordered, so
 * one number, the smallest id still open, tells the keeper where to begin if this process dies: no second
 * write per request.
 */
export function createOutbox(ports: Ports): Outbox {
  /** In order of ids. `unsent`: publishing failed; the content is not kept in memory but read again. */
  const open = new Map<string, "under_way" | "unsent">();
  let notedAtMs = 0;
  let notedDepth = -1;
  let noting = false;
  let relaying = false;

  let onEmpty = (): void => {};

  function confirmed(requestId: string): void {
    open.delete(requestId);
    if (open.size === 0) onEmpty();
  }

  function emptied(ms: number): Promise<void> {
    if (open.size === 0 || !ports.brokerUp()) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = ports.schedule(resolve, ms);
      onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }

  async function relayUnsent(): Promise<void> {
    if (relaying || !ports.brokerUp()) return;
    const unsent: string[] = [];
    for (const [requestId, state] of open) {
      if (state === "unsent") unsent.push(requestId);
      if (unsent.length === RELAY_ROWS_MAX) break;
    }
    if (unsent.length === 0) return;
    relaying = true;
    try {
      const requests = await ports.readQueued(unsent);
      const still = new Set(requests.map((request) => request.head.requestId));
      for (const requestId of unsent) if (!still.has(requestId)) confirmed(requestId);
      await Promise.all(requests.map((request) => send(request)));
    } catch (error) {
      ports.log.warn({ err: error, unsent: unsent.length }, "the outbox cannot be relayed now");
    } finally {
      relaying = false;
    }
  }

  async function send(request: QueuedRequest): Promise<void> {
    const { requestId } = request.head;
    open.set(requestId, "under_way");
    try {
      const confirm = ports.publish(request);
      ports.reach("G3");
      await confirm;
      confirmed(requestId);
    } catch {
      // Expected while the broker is away; `outbox_depth` and the connection's own log tell the operator.
      if (open.has(requestId)) open.set(requestId, "unsent");
    }
  }

  async function note(): Promise<void> {
    const oldest = open.keys().next().value;
    const isDue = ports.now() - notedAtMs >= SIGN_OF_LIFE_MS || open.size > 0 || notedDepth !== 0;
    if (noting || !isDue) return;
    noting = true;
    try {
      const depth = open.size;
      await ports.notePublisher({
        confirmedThrough: oldest ?? ports.newId(ports.now()),
        unconfirmed: depth,
      });
      notedAtMs = ports.now();
      notedDepth = depth;
    } catch (error) {
      ports.log.warn({ err: error }, "cannot note how far the broker has confirmed");
    } finally {
      noting = false;
    }
  }

  const stopNotes = repeat(ports.schedule, note, () => ports.config().gateway.outbox_note_ms);
  const stopRelay = repeat(ports.schedule, relayUnsent, () => RELAY_PAUSE_MS);

  return {
    start: () =>
      ports.notePublisher({
        confirmedThrough: ports.newId(ports.now()),
        unconfirmed: 0,
      }),
    open: (requestId) => {
      const max = ports.config().gateway.outbox_max;
      if (open.size >= max) {
        throw new Fault(
          "OUTBOX_FULL",
          "too many accepted requests wait for the queue; try again shortly",
          { retryAfterSeconds: 5 },
        );
      }
      open.set(requestId, "under_way");
    },
    drop: confirmed,
    publish: (request) => void send(request),
    publishStored: (requestId) => {
      open.set(requestId, "unsent");
    },
    depth: () => open.size,
    drain: async (ms) => {
      await emptied(ms);
      stopNotes();
      stopRelay();
      notedDepth = -1;
      await note();
    },
  };
}
