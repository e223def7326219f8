import { pause } from "../../runtime/schedule.ts";
import type { GatewayPorts } from "../ports.ts";

/** Finds the request that an earlier try of a call made; null: it made none. Throws what its port throws. */
export type Reattach = (call: {
  userId: string;
  fingerprint: Uint8Array;
  /** null: its client does not count; only what is free at once is taken. */
  tries: number | null;
}) => Promise<string | null>;

/**
 * An SDK repeats a call half a second after it broke. The gateway that held it may not have noticed yet, or
 * has died: that shows within some seconds. What is held for longer is another call with the same body.
 */
const LOOK_AGAIN_MS = 100;
const HELD_MS = 3_500;
const NEVER = new AbortController().signal;

export function createReattach(
  ports: Pick<GatewayPorts, "config" | "now" | "schedule" | "claimCall">,
): Reattach {
  return async (call) => {
    const untilMs = ports.now() + HELD_MS;
    for (;;) {
      const { reattach_seconds: seconds } = ports.config().openai;
      const state = await ports.claimCall({ ...call, madeAfterMs: ports.now() - seconds * 1_000 });
      if (state.kind === "claimed") return state.requestId;
      if (state.kind === "none" || call.tries === null || ports.now() >= untilMs) return null;
      await pause(ports.schedule, LOOK_AGAIN_MS, NEVER);
    }
  };
}
