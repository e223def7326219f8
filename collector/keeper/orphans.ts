import type { AgedHold, Hold, Settlement } from "../../core/quota/quota.ts";
import type { OrphanPorts, Process } from "../ports.ts";
import { settleAll } from "../results/settle.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { Duty } from "./duty.ts";
import { createRest } from "../../runtime/rest.ts";
import type { RequestStanding } from "../../core/request/stored-request.ts";

export interface OrphanOptions {
  everyMs: number;
  /**
   * Younger holds are left alone: their row may not be committed yet. Above the time that an accept may take.
   */
  orphanAfterMs: number;
}

/**
 * Frees holds that no open request stands behind (guarantee I4): a gateway died before its row, or a
 * collector before its settle. A round looks at every key of Redis, so it rests after each page.
 */
export function createOrphans(
  ports: OrphanPorts & Process,
  { everyMs, orphanAfterMs }: OrphanOptions,
): Duty {
  async function free(aged: AgedHold[]): Promise<void> {
    const holds = aged.filter(({ heldForMs }) => heldForMs > orphanAfterMs);
    if (holds.length === 0) return;
    const standings = await ports.standings(holds.map(({ requestId }) => requestId));
    const settlements = holds.flatMap((hold, index) => settlementOf(hold, standings[index]) ?? []);
    if (settlements.length === 0) return;
    const replies = await settleAll(ports, settlements);
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
      const rest = createRest(ports, signal);
      for await (const page of ports.scanHolds()) {
        if (signal.aborted) return;
        await free(page);
        await rest.take();
      }
    },
  };
}

const NOTHING = { billedTokens: null, failedExecutions: 0 } as const;

/** Returns what ends a hold, given how its request stands; undefined while the request is open. */
export function settlementOf(
  { userId, requestId }: Hold,
  standing: RequestStanding | undefined,
): Settlement | undefined {
  if (standing !== undefined && !isTerminal(standing.state)) return undefined;
  // Somebody else may settle it at the same time, so a hold that is no longer there means nothing.
  const { billedTokens, failedExecutions } = standing ?? NOTHING;
  return { userId, requestId, billedTokens, failedExecutions, expectHold: false };
}
