import type { FairOrder } from "../../../core/queue/fair-order.ts";
import type { ParkedRef, WaitingTurn } from "../../../core/queue/lane.ts";
import { createAtMostEvery } from "../../../runtime/at-most-every.ts";
import type { DispatchPorts, Process } from "../../ports.ts";
import { createWeights, type WeightConfig } from "./weights.ts";

/** Keeps the orders of all models informed of the users that wait. */
export interface WhoWaits {
  /** Takes in what was announced, and now and then everybody. */
  refresh: (signal: AbortSignal) => Promise<void>;
  /** Somebody may wait of whom nothing was announced. */
  scanSoon: () => void;
  /** Whether something announced was not taken in yet. */
  hasNews: () => boolean;
  stop: () => void;
}

const SCAN_PAGE_MAX = 2_000;
/** Signals may be lost; a scan finds everybody. */
const SCAN_MS = 3_000;

export function createWhoWaits(
  ports: Pick<DispatchPorts, "onParked" | "waitingTurns" | "tiersOf"> & Pick<Process, "now">,
  config: () => WeightConfig,
  orderOf: (model: string) => FairOrder,
): WhoWaits {
  const weights = createWeights(ports, config);
  const scans = createAtMostEvery(ports.now, SCAN_MS);
  let news: WaitingTurn[] = [];
  let stopListening: (() => void) | undefined;

  function listen(refs: readonly ParkedRef[]): void {
    const sinceMs = ports.now();
    if (news.length < SCAN_PAGE_MAX) news.push(...refs.map((ref) => ({ ...ref, sinceMs })));
    else scans.makeDue();
  }

  async function join(turns: readonly WaitingTurn[]): Promise<void> {
    const of = await weights.of(turns.map(({ userId }) => userId));
    turns.forEach((turn, index) => orderOf(turn.model).join(turn, of[index] ?? 1, turn.sinceMs));
  }

  async function joinAll(signal: AbortSignal): Promise<void> {
    let after: ParkedRef | null = null;
    do {
      const page: WaitingTurn[] = await ports.waitingTurns(after, SCAN_PAGE_MAX);
      await join(page);
      after = page.length === SCAN_PAGE_MAX ? (page.at(-1) ?? null) : null;
    } while (after !== null && !signal.aborted);
  }

  return {
    async refresh(signal) {
      stopListening ??= ports.onParked(listen);
      const fresh = news;
      news = [];
      await join(fresh.filter((turn) => !orderOf(turn.model).has(turn)));
      await scans.run(() => joinAll(signal));
    },
    scanSoon: scans.makeDue,
    hasNews: () => news.length > 0,
    stop() {
      stopListening?.();
      stopListening = undefined;
      news = [];
      scans.makeDue();
    },
  };
}
