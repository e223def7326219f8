import { readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

/** Images with this checkout in them: every change of it makes others, of 300 MB each. */
const OF_A_CHECKOUT = /^image-(tollgate|tollgate-next|vllm)-[0-9a-f]+$/;
/** Longer than anybody works on one state of a checkout, in this clone or another. */
const KEPT_MS = 24 * 3_600_000;

/** Removes images of older states of checkouts from the cache; returns their keys. */
export async function pruneCheckouts(
  cache: string,
  kept: ReadonlySet<string>,
  nowMs: number,
): Promise<readonly string[]> {
  const old = readdirSync(cache).filter(
    (key) =>
      OF_A_CHECKOUT.test(key) &&
      !kept.has(key) &&
      nowMs - statSync(join(cache, key)).mtimeMs > KEPT_MS,
  );
  for (const key of old) await rm(join(cache, key), { recursive: true, force: true });
  return old;
}
