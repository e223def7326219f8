import type { Piece } from "../../core/attempt/deltas.ts";
import { itemsOf } from "../../core/json/json-text.ts";
import type { DeltaEntry, DeltaPlace } from "../../core/request/delta-entry.ts";
import { decodeText, encodeJson } from "../../core/request/payload.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";
import type { Sealer } from "../crypto/envelope.ts";
import type { RedisConnection } from "./connection.ts";
import { deltasKey } from "./keys.ts";

/** How long pieces stay after the last one: whoever reads along may come back for so long. */
const KEPT_SECONDS = 600;
/** Entries between two renewals of that; they are seconds apart. */
const RENEWED_EVERY = 64;
/** Entries that one read of one stream returns at most. */
const READ_MAX = 200;
/** Tries to begin where another worker begins at the same time. */
const BEGINS_MAX = 3;

/**
 * The pieces of answers on their way to readers: of each request a Redis Stream, sealed. The id of an entry
 * is `EPOCH-NUMBER`: the epoch grows with each execution, so that a worker that is taken for dead and wakes
 * up cannot write behind the one that has taken over, and writing an entry twice leaves one.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE, by all functions
 */
export function createDeltaStreams(redis: RedisConnection, sealer: Sealer) {
  async function add(
    request: RequestRef,
    { epoch, number }: DeltaPlace,
    field: string,
    value: string | Buffer,
  ): Promise<void> {
    const key = deltasKey(request.userId, request.requestId);
    await redis.run(async ({ client }) => {
      const added = client.xadd(key, `${epoch}-${number}`, field, value);
      const renewed = number % RENEWED_EVERY === 0 && client.expire(key, KEPT_SECONDS);
      // Both at once: of two that fail, the one not awaited yet would end the process.
      await Promise.all([added, renewed]);
    }, key);
  }

  /** Of one cluster slot: what came behind positions, by key. @throws {Fault} QUOTA_UNAVAILABLE */
  async function readSlot(asked: readonly (readonly [key: string, after: string])[]) {
    const keys = asked.map(([key]) => key);
    const positions = asked.map(([, after]) => after);
    const reply = await redis.run(
      ({ client }) => client.xreadBuffer("COUNT", READ_MAX, "STREAMS", ...keys, ...positions),
      keys[0],
    );
    return (reply ?? []) as [Buffer, [Buffer, Buffer[]][]][];
  }

  return {
    /** Begins the pieces of an execution, which go on from those before or begin anew; returns its epoch. */
    begin: async (request: RequestRef, isContinued: boolean): Promise<number> => {
      const key = deltasKey(request.userId, request.requestId);
      for (let tries = 1; ; tries += 1) {
        const [[last], [seconds, microseconds]] = await redis.run(
          ({ client }) => Promise.all([client.xrevrange(key, "+", "-", "COUNT", 1), client.time()]),
          key,
        );
        // Above all that readers have had, even if Redis has lost it.
        const nowMs = Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
        const epoch = Math.max(Number(last?.[0].split("-")[0] ?? 0) + 1, nowMs);
        try {
          await add(request, { epoch, number: 0 }, "begin", isContinued ? "continued" : "anew");
          // Whoever comes later gets one answer, not the beginnings of two.
          if (!isContinued)
            await redis.run(({ client }) => client.xtrim(key, "MINID", `${epoch}-0`), key);
          return epoch;
        } catch (error) {
          if (tries === BEGINS_MAX || !isPassed(error)) throw error;
        }
      }
    },
    append: async (
      request: RequestRef,
      place: DeltaPlace,
      pieces: readonly Piece[],
    ): Promise<void> => {
      const sealed = sealer.seal(encodeJson(pieces), request, "delta");
      try {
        await add(request, place, "pieces", sealed);
      } catch (error) {
        // The try before, whose reply was lost, has written it; or another worker has taken over.
        if (!isPassed(error)) throw error;
      }
    },
    /**
     * What came behind a position, of each request, in order; some of it, where there is much, and nothing
     * yet of those whose server of a cluster is away while others are not.
     */
    read: async (asked: readonly (RequestRef & { after: string })[]): Promise<DeltaEntry[][]> => {
      if (asked.length === 0) return [];
      const keys = asked.map(({ userId, requestId }) => deltasKey(userId, requestId));
      const places = keys.map((key, index) => [key, asked[index]?.after ?? "0"] as const);
      const bySlot = Map.groupBy(places, ([key]) => redis.slotOf(key));
      const replies = await Promise.allSettled(Array.from(bySlot.values(), readSlot));
      const [failed] = replies.filter((reply) => reply.status === "rejected");
      if (failed && !replies.some(({ status }) => status === "fulfilled")) throw failed.reason;
      const byKey = new Map(
        replies
          .flatMap((reply) => (reply.status === "fulfilled" ? reply.value : []))
          .map(([key, entries]) => [key.toString(), entries]),
      );
      return asked.map((request, index) =>
        (byKey.get(keys[index] ?? "") ?? []).map(([id, fields]) => entryOf(request, id, fields)),
      );
    },
  };

  function entryOf(request: RequestRef, id: Buffer, [field, value]: Buffer[]): DeltaEntry {
    const position = id.toString();
    if (field?.toString() !== "pieces" || value === undefined)
      return { position, pieces: null, isContinued: value?.toString() === "continued" };
    return { position, pieces: itemsOf(decodeText(sealer.open(value, request, "delta"))) };
  }
}

/** Redis refuses an id that is not above the last one. */
function isPassed(error: unknown): boolean {
  const { message, cause } = error as { message?: string; cause?: { message?: string } };
  return /equal or smaller/.test(`${message} ${cause?.message}`);
}
