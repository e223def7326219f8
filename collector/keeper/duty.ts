import type { Page } from "../../core/request/stored-request.ts";

/**
 * One of the keeper's duties. Every round is bounded, and this keeper or another may repeat it without harm.
 */
export interface Duty {
  name: string;
  /** Pause between two rounds. */
  everyMs: number;
  /** The pause after a round that failed, if it is another than the keeper's usual one. */
  retryMs?: number;
  /** One round; stops early when the signal aborts. */
  run: (signal: AbortSignal) => Promise<void>;
  /** This process is no longer the keeper: what it shows is the next one's to show. */
  end?: () => void;
}

/**
 * Walks a long listing over several rounds. Each round reads at most `pagesMax` pages and the next goes on
 * where it stopped, so that what lies at the front can never keep the rest from its turn. A round returns
 * whether it reached the end.
 */
export function createWalk<Item>(
  readPage: (after: string | null) => Promise<Page<Item>>,
  pagesMax: number,
): (handle: (items: Item[]) => Promise<void>, signal: AbortSignal) => Promise<boolean> {
  let after: string | null = null;
  return async (handle, signal) => {
    for (let pages = 0; pages < pagesMax && !signal.aborted; pages += 1) {
      const page: Page<Item> = await readPage(after);
      if (page.items.length > 0) await handle(page.items);
      // Only now: a page that failed is read again in the next round.
      after = page.next;
      if (after === null) return true;
    }
    return false;
  };
}
