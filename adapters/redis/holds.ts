import type { QuotaBooks } from "../../core/audit/books.ts";
import type { AgedHold, Hold, HoldFate, WindowSnapshot } from "../../core/quota/quota.ts";
import { Fault } from "../../core/faults.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";
import type { RedisServer } from "./client.ts";
import type { RedisConnection } from "./connection.ts";
import { HOLDS_KEY_PATTERN, holdsKey, userKey, userOfHoldsKey } from "./keys.ts";
import { HOLD_FATE, READ_BOOKS } from "./quota-scripts.ts";
import { bindScript } from "./script.ts";
import { toSnapshot } from "./snapshot.ts";

/**
 * The holds of all users, for the keeper and the audit.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE, by all functions
 */
export interface HoldBooks {
  /**
   * Every hold that is open during the whole scan, in pages of bounded size; others may come or not, and one
   * may come twice. It walks through all keys, at least a thousand for each page, which may be empty, so do
   * not call it every second.
   */
  scanHolds: () => AsyncGenerator<AgedHold[]>;
  /**
   * Reads the counters of the present windows and all holds of each user, each user at one instant;
   * undefined: not loaded; `broken`: something that is not ours is stored there.
   */
  readBooks: (userIds: readonly string[]) => Promise<(QuotaBooks | "broken" | undefined)[]>;
  /**
   * In order. `gone`: the hold was there and was settled or released. `unknown`: nothing can be concluded,
   * because the user is not loaded, or was loaded less than a minute before the request was made or after it,
   * or because holds were lost.
   */
  holdFates: (requests: readonly RequestRef[]) => Promise<HoldFate[]>;
}

const SCAN_COUNT = 1_000;

/** The time in a UUIDv7: its first 48 bits, Unix milliseconds (RFC 9562 section 5.7). */
function uuidTimeMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

interface TakenHold extends Hold {
  /** Unix milliseconds of Redis. */
  takenAtMs: number;
}

/** Empty when the text is not a packed hold. */
function parseHold(userId: string, requestId: string, packed: string): TakenHold[] {
  const [tokens, day, takenAtMs] = packed.split("|");
  if (day === undefined || takenAtMs === undefined) return [];
  return [{ userId, requestId, day, tokens: Number(tokens), takenAtMs: Number(takenAtMs) }];
}

function parseHolds(userId: string, entries: readonly string[]): TakenHold[] {
  const holds: TakenHold[] = [];
  for (let i = 0; i + 1 < entries.length; i += 2)
    holds.push(...parseHold(userId, entries[i] ?? "", entries[i + 1] ?? ""));
  return holds;
}

function countersOf({ used, held }: WindowSnapshot): Pick<WindowSnapshot, "used" | "held"> {
  return { used, held };
}

export function createHoldBooks(redis: RedisConnection): HoldBooks {
  const readBooks = bindScript(redis, READ_BOOKS);
  const holdFate = bindScript(redis, HOLD_FATE);

  async function* scanKeysOf({ client }: RedisServer): AsyncGenerator<string[]> {
    let cursor = "0";
    do {
      // Its cursor means nothing to another server.
      const [next, keys] = await redis.run(() =>
        client.scan(cursor, "MATCH", HOLDS_KEY_PATTERN, "COUNT", SCAN_COUNT, "TYPE", "hash"),
      );
      yield keys;
      cursor = next;
    } while (cursor !== "0");
  }

  /** Of all servers; one that is away keeps nobody from those of the others. */
  async function* scanKeys(): AsyncGenerator<string[]> {
    const servers = redis.servers();
    for (const server of servers) if (server !== undefined) yield* scanKeysOf(server);
    if (servers.length === 0 || servers.includes(undefined))
      throw new Fault("QUOTA_UNAVAILABLE", "a server of Redis is away");
  }

  /** Of a server, because holds are dated by the one that has them. */
  async function readClockMs(key: string): Promise<number> {
    const [seconds, microseconds] = await redis.run(({ client }) => client.time(), key);
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  }

  async function* scanUser(userId: string): AsyncGenerator<TakenHold[]> {
    let cursor = "0";
    do {
      const key = holdsKey(userId);
      const [next, entries] = await redis.run(
        ({ client }) => client.hscan(key, cursor, "COUNT", SCAN_COUNT),
        key,
      );
      if (entries.length > 0) yield parseHolds(userId, entries);
      cursor = next;
    } while (cursor !== "0");
  }

  return {
    scanHolds: async function* () {
      for await (const keys of scanKeys()) {
        if (keys[0] === undefined) {
          yield [];
          continue;
        }
        // All keys of a page are on one server.
        const nowMs = await readClockMs(keys[0]);
        for (const key of keys)
          for await (const holds of scanUser(userOfHoldsKey(key)))
            yield holds.map(({ takenAtMs, ...hold }) => ({
              ...hold,
              heldForMs: nowMs - takenAtMs,
            }));
      }
    },

    holdFates: async (requests) => {
      const outcomes = await holdFate.runEach(
        requests.map(({ userId, requestId }) => ({
          keys: { user: userKey(userId) },
          args: { requestId, createdAtMs: uuidTimeMs(requestId) },
        })),
      );
      return outcomes.map((outcome) => (outcome.ok ? outcome.value : "unknown"));
    },

    readBooks: async (userIds) => {
      const outcomes = await readBooks.runEach(
        userIds.map((userId) => ({
          keys: { user: userKey(userId) },
          args: { clockMs: 0 },
        })),
      );
      return outcomes.map((outcome, index) => {
        if (!outcome.ok) {
          if (outcome.error instanceof Fault) throw outcome.error;
          return "broken";
        }
        if (outcome.value.length === 1) return undefined;
        const [[, ...numbers], entries] = outcome.value;
        const { day, windows, failedExecutions } = toSnapshot(numbers);
        const holds = parseHolds(userIds[index] ?? "", entries);
        if (holds.length < entries.length / 2) return "broken";
        return {
          day,
          windows: { daily: countersOf(windows.daily), monthly: countersOf(windows.monthly) },
          failedExecutions: {
            daily: failedExecutions.daily.used,
            monthly: failedExecutions.monthly.used,
          },
          holds,
        };
      });
    },
  };
}
