import { repeat } from "../../runtime/repeat.ts";
import type { GatewayPorts } from "../ports.ts";

/** What changed of keys lately, as PostgreSQL says: also what nobody could announce. */
export interface KeyWatch {
  /** Resolves when it has been looked for once. */
  start: () => Promise<void>;
  stop: () => void;
  /** Whether what Redis has of the key may be older than a change of it. */
  isSuspect: (keyHash: string) => boolean;
}

const READ_MS = 1_000;
/** As long as Redis keeps a record, and as far as clocks may differ. */
const SUSPECT_MS = 360_000;
/** PostgreSQL keeps changes for an hour. */
const SILENT_MS_MAX = 3_000_000;
const CHANGES_MAX = 10_000;

/**
 * Reads once a second which keys changed, and tells: `forget` of each, `forgetAll` where it may have missed
 * some. While PostgreSQL is away what was known goes on; nothing can be accepted or read then.
 */
export function createKeyWatch(
  ports: Pick<GatewayPorts, "log" | "now" | "schedule" | "readKeyChanges">,
  { forget, forgetAll }: { forget: (keyHash: string) => void; forgetAll: () => void },
): KeyWatch {
  let horizon: string | null = null;
  let readAtMs = ports.now();
  /** Until then nothing in Redis is believed. */
  let allSuspectUntilMs = Number.POSITIVE_INFINITY;
  let seen = new Set<number>();
  const suspectUntilMs = new Map<string, number>();

  function take({
    changes,
    horizon: next,
  }: Awaited<ReturnType<typeof ports.readKeyChanges>>): void {
    const nowMs = ports.now();
    const isGap =
      horizon !== null && (nowMs - readAtMs > SILENT_MS_MAX || BigInt(next) < BigInt(horizon));
    if (isGap || changes.length >= CHANGES_MAX) {
      allSuspectUntilMs = nowMs + SUSPECT_MS;
      forgetAll();
    } else if (horizon === null) allSuspectUntilMs = nowMs;
    for (const { changeId, keyHash } of changes) {
      if (seen.has(changeId)) continue;
      suspectUntilMs.set(keyHash, nowMs + SUSPECT_MS);
      forget(keyHash);
    }
    for (const [keyHash, untilMs] of suspectUntilMs)
      if (untilMs <= nowMs) suspectUntilMs.delete(keyHash);
    seen = new Set(changes.map(({ changeId }) => changeId));
    horizon = next;
    readAtMs = nowMs;
  }

  async function read(): Promise<void> {
    try {
      take(await ports.readKeyChanges({ horizon, sinceMs: SUSPECT_MS, limit: CHANGES_MAX }));
    } catch (error) {
      ports.log.debug({ err: error }, "cannot read which keys changed; what is known goes on");
    }
  }

  let stop = (): void => {};
  return {
    start: async () => {
      await read();
      stop = repeat(ports.schedule, read, () => READ_MS);
    },
    stop: () => stop(),
    isSuspect: (keyHash) =>
      ports.now() < allSuspectUntilMs || (suspectUntilMs.get(keyHash) ?? 0) > ports.now(),
  };
}
