import type { KeeperLock } from "../../../collector/ports.ts";

/** One lock that several collectors compete for, without PostgreSQL. */
export interface FakeKeeperLocks {
  /** The lock as one collector sees it. `onLost`: it was lost otherwise than by `release`. */
  lockOf: (name: string, onLost?: () => void) => KeeperLock;
  /** The session of a holder ends: the lock is free, and the holder learns of it. */
  killSession: (name: string) => void;
  /** From now on the server is silent to this collector, or answers it again. */
  cutOff: (name: string, isCutOff: boolean) => void;
  /** Who has the lock by the word of the server. */
  holder: () => string | undefined;
}

interface FakeKeeperLocksOptions {
  now: () => number;
  /** The server takes the lock back from a holder that was silent for this long, milliseconds. */
  silentMs: number;
}

export function createFakeKeeperLocks({ now, silentMs }: FakeKeeperLocksOptions): FakeKeeperLocks {
  /** What the server knows. */
  let session: { name: string; heardAtMs: number } | undefined;
  const cutOff = new Set<string>();
  /** What the collectors know: when the server was last asked that has confirmed since. */
  const confirmedAtMs = new Map<string, number>();
  const onLoss = new Map<string, () => void>();

  function lose(name: string): void {
    if (confirmedAtMs.delete(name)) onLoss.get(name)?.();
  }

  function endSession(): void {
    const name = session?.name;
    session = undefined;
    if (name !== undefined && !cutOff.has(name)) lose(name);
  }

  return {
    lockOf: (name, onLost = () => {}) => {
      onLoss.set(name, onLost);
      return {
        tryAcquire: async () => {
          if (cutOff.has(name)) {
            lose(name);
            return false;
          }
          if (session !== undefined && now() - session.heardAtMs >= silentMs) endSession();
          session ??= { name, heardAtMs: now() };
          if (session.name !== name) return false;
          session.heardAtMs = now();
          confirmedAtMs.set(name, now());
          return true;
        },
        isOurs: () => now() - (confirmedAtMs.get(name) ?? Number.NEGATIVE_INFINITY) < silentMs,
        release: async () => {
          if (session?.name === name) session = undefined;
          confirmedAtMs.delete(name);
        },
      };
    },
    killSession: (name) => {
      if (session?.name === name) endSession();
    },
    cutOff: (name, isCutOff) => {
      if (isCutOff) cutOff.add(name);
      else cutOff.delete(name);
    },
    holder: () => session?.name,
  };
}
