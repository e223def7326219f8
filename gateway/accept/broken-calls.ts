import type { GatewayPorts } from "../ports.ts";

/**
 * Calls whose stream broke off in the middle, while their answer is made again as a whole. No SDK repeats
 * such a call by itself; the application that does finds the request instead of paying for a second one.
 * Every gateway hears of them and keeps them in memory: a normal call costs nothing.
 */
export interface BrokenCalls {
  /** Tells all gateways. */
  tell: (call: BrokenCall) => void;
  /** Whether there is one like this; the next call that asks is a new one. */
  take: (call: BrokenCall) => boolean;
}

export interface BrokenCall {
  userId: string;
  fingerprint: Uint8Array;
}

/** The oldest are forgotten beyond. */
const KNOWN_MAX = 10_000;

const keyOf = ({ userId, fingerprint }: BrokenCall): string =>
  `${userId} ${Buffer.from(fingerprint).toString("hex")}`;

export function createBrokenCalls(
  ports: Pick<GatewayPorts, "config" | "now" | "log" | "announceBroken" | "onBroken">,
): BrokenCalls {
  const toldAt = new Map<string, number>();

  function note(key: string): void {
    toldAt.delete(key);
    toldAt.set(key, ports.now());
    if (toldAt.size <= KNOWN_MAX) return;
    for (const oldest of toldAt.keys()) {
      toldAt.delete(oldest);
      return;
    }
  }
  ports.onBroken(note);

  return {
    tell(call) {
      const key = keyOf(call);
      note(key);
      ports.announceBroken(key).catch((error: unknown) => {
        ports.log.warn({ err: error }, "cannot tell other gateways of a call that broke off");
      });
    },
    take(call) {
      if (toldAt.size === 0) return false;
      const key = keyOf(call);
      const atMs = toldAt.get(key);
      toldAt.delete(key);
      return (
        atMs !== undefined && ports.now() - atMs < ports.config().openai.reattach_seconds * 1_000
      );
    },
  };
}
