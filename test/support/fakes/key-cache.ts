import type { KeyCache } from "../../../adapters/redis/key-cache.ts";
import type { FakeServer } from "./server.ts";

const TTL_MS = 300_000;

/** Records of API keys without Redis. */
export function createFakeKeyCache<KeyRecord>({
  server,
  now,
}: {
  server: FakeServer;
  /** Clock of the server, Unix milliseconds. */
  now: () => number;
}): KeyCache<KeyRecord> {
  /** A deleted record leaves a place behind in which none is learnt. */
  const places = new Map<string, { record: KeyRecord | undefined; endsAtMs: number }>();

  function placeOf(keyHash: string) {
    const place = places.get(keyHash);
    return place !== undefined && place.endsAtMs > now() ? place : undefined;
  }

  return {
    get: (keyHash) => server.ask(() => placeOf(keyHash)?.record),
    set: (keyHash, record) =>
      server.ask(() => {
        if (placeOf(keyHash) === undefined)
          places.set(keyHash, { record, endsAtMs: now() + TTL_MS });
      }),
    delete: (keyHash) =>
      server.ask(() => void places.set(keyHash, { record: undefined, endsAtMs: now() + TTL_MS })),
  };
}
