import type { Hold, Settlement } from "../../core/quota/quota.ts";
import type { OrphanPorts, Process, RequestStanding } from "../ports.ts";
import { isTerminal } from "../../core/request.ts";
import { createWalk, type Duty } from "./duty.ts";

export interface OrphanOptions {
  everyMs: number;
  /** Younger holds are left alone: their row may not be committed yet. Above the time that an accept may take. */
  orphanAfterMs: number;
}

const PAGE_MAX = 500;
const PAGES_MAX = 20;

/** Frees holds that no open request stands behind (guarantee I4): a gateway died before its row, or a collector before its settle. */
export function createOrphans(
  ports: OrphanPorts & Process,
  { everyMs, orphanAfterMs }: OrphanOptions,
): Duty {
  const walk = createWalk<Hold>(
    (after) => ports.scanHolds(orphanAfterMs, after, PAGE_MAX),
    PAGES_MAX,
  );

  async function free(holds: Hold[]): Promise<void> {
    const standings = await ports.standings(holds.map(({ requestId }) => requestId));
    const settlements = holds.flatMap((hold, index) => settlementOf(hold, standings[index]) ?? []);
    if (settlements.length === 0) return;
    const replies = await ports.settle(settlements);
    ports.reach("K2");
    settlements.forEach(({ billedTokens }, index) => {
      if (replies[index] !== "settled") return;
      const action = billedTokens === null ? "hold_released" : "hold_settled";
      ports.metrics.keeper_actions_total.add(1, action);
    });
  }

  return {
    name: "orphans",
    everyMs,
    run: async (signal) => {
      await walk(free, signal);
    },
  };
}

/** What ends a hold, given how its request stands; undefined while the request is open. */
export function settlementOf(
  { userId, requestId }: Hold,
  standing: RequestStanding | undefined,
): Settlement | undefined {
  if (standing !== undefined && !isTerminal(standing.state)) return undefined;
  // Somebody else may settle it at the same time, so a hold that is no longer there means nothing.
  return { userId, requestId, billedTokens: standing?.billedTokens ?? null, expectHold: false };
}
