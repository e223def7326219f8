import type { GatewayPorts } from "../ports.ts";
import { beat } from "./beat.ts";
import type { EventWriter } from "./event-stream.ts";
import type { Follower, Followers } from "./followers.ts";
import type { Readers } from "./readers.ts";

/** Resolves when the reader has all that was there when it was called, or the signal aborts. */
export type CatchUp = (signal: AbortSignal) => Promise<void>;

/**
 * Counts a reader, keeps their connection alive and hands them what comes, until `act` is over. Throws what
 * `act` throws.
 */
export type ReadAlong = (
  writer: EventWriter,
  reader: Omit<Follower, "isReady">,
  act: (catchUp: CatchUp) => Promise<void>,
) => Promise<void>;

export function createReadAlong(
  ports: Pick<GatewayPorts, "schedule">,
  followers: Followers,
  readers: Readers,
): ReadAlong {
  return async (writer, reader, act) => {
    const follower = { ...reader, isReady: writer.isReady };
    const over = new AbortController();
    const leave = readers.enter(follower.ref.userId);
    void beat(ports, writer, over.signal);
    const stop = followers.follow(follower);
    try {
      await act((signal) => followers.catchUpSlowly(follower, signal));
    } finally {
      leave();
      stop();
      over.abort();
    }
  };
}
