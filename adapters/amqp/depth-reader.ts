import type { ConfirmChannel } from "amqplib";
import { within } from "./broker-fault.ts";
import type { AmqpConnection } from "./connection.ts";
import { type QueueDepth, queueDepths } from "./inspect.ts";

/** Reads depths often: on one kept channel, at a tenth of a millisecond a queue. */
export interface DepthReader {
  /**
   * Returns the depth of each queue by name; null: there is no such queue, or there was none some seconds
   * ago.
   *
   * @throws {Fault} BROKER_UNAVAILABLE
   */
  read: (names: readonly string[]) => Promise<Map<string, QueueDepth | null>>;
  close: () => Promise<void>;
}

/** How long a missing queue is not asked for again. */
const MISSING_MS = 5_000;
const READ_MS = 5_000;

/**
 * The broker closes a channel that asks for a queue that is not there. So a queue is asked for on a
 * throw-away channel until it was seen, and then on the kept one.
 */
export function createDepthReader(
  connection: Pick<AmqpConnection, "keepChannel" | "withChannel">,
  { missingMs = MISSING_MS }: { missingMs?: number } = {},
): DepthReader {
  let kept: ConfirmChannel | undefined;
  const release = connection.keepChannel({
    name: "depths",
    setup: (channel) => {
      kept = channel;
    },
    lost: () => {
      kept = undefined;
    },
  });
  /** Both are bounded by the queues that this process has ever asked for. */
  const seen = new Set<string>();
  const missingUntilMs = new Map<string, number>();

  async function readKept(channel: ConfirmChannel, names: readonly string[]): Promise<Depths> {
    const replies = Promise.all(names.map((name) => channel.checkQueue(name)));
    const counts = await within(READ_MS, "reading depths", replies);
    return new Map(
      counts.map(({ queue, messageCount, consumerCount }) => [
        queue,
        { ready: messageCount, consumers: consumerCount },
      ]),
    );
  }

  async function readAnew(names: readonly string[]): Promise<Depths> {
    const depths = await queueDepths(connection, names);
    for (const [name, depth] of depths) {
      if (depth === null) missingUntilMs.set(name, performance.now() + missingMs);
      if (depth === null) seen.delete(name);
      else seen.add(name);
    }
    return depths;
  }

  async function readSeen(names: readonly string[]): Promise<Depths> {
    if (names.length === 0) return new Map();
    // While the channel is opened, and when one of the queues has gone.
    if (kept === undefined) return readAnew(names);
    return readKept(kept, names).catch(() => readAnew(names));
  }

  return {
    async read(names) {
      const nowMs = performance.now();
      const asked = names.filter((name) => (missingUntilMs.get(name) ?? 0) <= nowMs);
      const [ofSeen, ofOthers] = await Promise.all([
        readSeen(asked.filter((name) => seen.has(name))),
        readAnew(asked.filter((name) => !seen.has(name))),
      ]);
      return new Map(names.map((name) => [name, ofSeen.get(name) ?? ofOthers.get(name) ?? null]));
    },
    close: () => release(READ_MS),
  };
}

type Depths = Map<string, QueueDepth | null>;
