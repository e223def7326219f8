import type { FairOrder } from "../../../core/queue/fair-order.ts";
import type { ParkedRef, WaitingTurn } from "../../../core/queue/lane.ts";
import type { DispatchPorts, Process } from "../../ports.ts";
import { createWeights, type WeightConfig } from "./weights.ts";

/** Keeps the orders of all models informed of the users that wait. */
export interface WhoWaits {
  /** Takes in what was announced, and now and then some of everybody. */
  refresh: () => Promise<void>;
  /** Somebody may wait of whom nothing was announced. */
  scanSoon: () => void;
  /** Whether there is somebody to take in. */
  hasNews: () => boolean;
  /** Whether everybody has been looked at since a scan was asked for; else somebody may wait unknown. */
  isSure: () => boolean;
  stop: () => void;
}

/** Users looked at in one round: the rounds between publish what has its turn. */
const SCAN_PAGE_MAX = 2_000;
/** Signals may be lost; a scan finds everybody. It begins so long after the end of the one before, */
const SCAN_MS = 3_000;
/** and not before so many times what that one took: looking is never most of the work. */
const SCAN_SHARE = 5;

export function createWhoWaits(
  ports: Pick<DispatchPorts, "onParked" | "waitingTurns" | "tiersOf"> & Pick<Process, "now">,
  config: () => WeightConfig,
  orderOf: (model: string) => FairOrder,
): WhoWaits {
  const weights = createWeights(ports, config);
  let scan: { nth: number; after: ParkedRef | null; tookMs: number } | null = null;
  let scanDueAtMs = Number.NEGATIVE_INFINITY;
  /** How often a scan was asked for, and how many of these are answered. */
  let asked = 1;
  let answered = 0;
  let news: WaitingTurn[] = [];
  let stopListening: (() => void) | undefined;

  function scanSoon(): void {
    asked += 1;
    scanDueAtMs = Number.NEGATIVE_INFINITY;
  }

  function listen(refs: readonly ParkedRef[]): void {
    const sinceMs = ports.now();
    if (news.length < SCAN_PAGE_MAX) news.push(...refs.map((ref) => ({ ...ref, sinceMs })));
    else scanSoon();
  }

  async function join(turns: readonly WaitingTurn[]): Promise<void> {
    const of = await weights.of(turns.map(({ userId }) => userId));
    turns.forEach((turn, index) => orderOf(turn.model).join(turn, of[index] ?? 1, turn.sinceMs));
  }

  /** Looks at the next page of a scan that is under way or due. */
  async function scanOn(): Promise<void> {
    const startedAtMs = ports.now();
    if (scan === null) {
      if (startedAtMs < scanDueAtMs) return;
      scan = { nth: asked, after: null, tookMs: 0 };
      scanDueAtMs = Number.POSITIVE_INFINITY;
    }
    const page: WaitingTurn[] = await ports.waitingTurns(scan.after, SCAN_PAGE_MAX);
    await join(page);
    scan.after = page.at(-1) ?? null;
    scan.tookMs += ports.now() - startedAtMs;
    if (page.length === SCAN_PAGE_MAX) return;
    answered = scan.nth;
    // Earlier if somebody asked for a scan during this one, which may have passed the place.
    scanDueAtMs = Math.min(scanDueAtMs, ports.now() + Math.max(SCAN_MS, SCAN_SHARE * scan.tookMs));
    scan = null;
  }

  return {
    async refresh() {
      stopListening ??= ports.onParked(listen);
      const fresh = news;
      news = [];
      await join(fresh.filter((turn) => !orderOf(turn.model).has(turn)));
      await scanOn();
    },
    scanSoon,
    isSure: () => answered === asked,
    hasNews: () => news.length > 0 || scan !== null,
    stop() {
      stopListening?.();
      stopListening = undefined;
      news = [];
      scan = null;
      scanSoon();
    },
  };
}
