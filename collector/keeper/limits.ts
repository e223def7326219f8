import type { LimitsPorts, Process } from "../ports.ts";
import type { Duty } from "./duty.ts";

const PAGE_MAX = 500;
/**
 * A changed file reaches the nodes of a cluster within this; until then a gateway may still load users with
 * the old tiers.
 */
const FILES_SETTLE_MS = 120_000;
/** Some users have their limits from other tiers than others. */
const MIXED = "mixed";

/**
 * Lets changed tiers take effect for users whom Redis has loaded: it forgets them, so that each is rebuilt
 * before the next admission. It does so at once, and again when every gateway has read the changed file.
 * Redis remembers which tiers were applied, beside what they were applied to, so that a change is also found
 * after a restart.
 */
export function createLimits(ports: LimitsPorts & Process, { everyMs }: { everyMs: number }): Duty {
  let begun: { tiers: string; atMs: number } | undefined;
  let stored: string | undefined;

  /** Returns whether it reached all users. */
  async function forgetAll(signal: AbortSignal): Promise<boolean> {
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<LimitsPorts["userIds"]>> = await ports.userIds(
        after,
        PAGE_MAX,
      );
      await ports.forgetUsers(page.items);
      after = page.next;
    } while (after !== null && !signal.aborted);
    return after === null;
  }

  return {
    name: "limits",
    everyMs,
    run: async (signal) => {
      const tiers = ports.tiers();
      if (stored !== tiers) await ports.storeTiers();
      stored = tiers;
      const applied = await ports.appliedTiers();
      if (applied === undefined || applied === tiers) return ports.noteAppliedTiers(tiers);
      const nowMs = ports.now();
      const isFirst = begun?.tiers !== tiers;
      if (!isFirst && begun !== undefined && nowMs - begun.atMs < FILES_SETTLE_MS) return;
      // Before the first is forgotten, so that a change back is not taken for none.
      if (isFirst) await ports.noteAppliedTiers(MIXED);
      if (!(await forgetAll(signal))) return;
      ports.log.info({}, "the tiers have changed: all users are loaded anew");
      if (isFirst) begun = { tiers, atMs: nowMs };
      else await ports.noteAppliedTiers(tiers);
    },
  };
}
