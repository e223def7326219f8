import type { RequestFilter } from "../../adapters/postgres/search-requests.ts";
import type { StartedHint } from "../../core/attempt/start.ts";
import type { DurableState, RequestState } from "../../core/request/request.ts";
import type { ListedRequest, Page, RequestRef } from "../../core/request/stored-request.ts";

export interface ListPorts {
  search: (
    filter: RequestFilter & { state?: DurableState | undefined },
    page: { before?: string | undefined; limit: number },
  ) => Promise<Page<ListedRequest>>;
  /** In order; undefined: no attempt is under way. */
  readStarted: (requests: readonly RequestRef[]) => Promise<(StartedHint | undefined)[]>;
}

/** A request in a list, with the state that callers see. */
export interface SeenRequest extends Omit<ListedRequest, "state"> {
  state: RequestState;
}

export interface SeenPage extends Page<SeenRequest> {
  /** Whether Redis told which of those without an end are in progress; else they count as queued. */
  isProgressKnown: boolean;
}

/** Rows read at once while looking for those that are, or are not, in progress. */
const SCAN_ROWS = 500;
const SCAN_PAGES_MAX = 20;

/**
 * One page of requests, newest first. `queued` and `in_progress` are one state in PostgreSQL, told apart by
 * the workers' marks after reading: a page of one of them ends, full or not, after a bounded number of rows,
 * and `next` goes on from there.
 *
 * @throws {Fault} STORE_UNAVAILABLE; QUOTA_UNAVAILABLE when those in progress are asked for
 */
export async function listSeen(
  ports: ListPorts,
  filter: RequestFilter,
  {
    status,
    before,
    limit,
  }: { status?: RequestState | undefined; before?: string | undefined; limit: number },
): Promise<SeenPage> {
  if (status !== "queued" && status !== "in_progress") {
    const page = await ports.search({ ...filter, state: status }, { before, limit });
    return { ...(await seen(ports, page.items)), next: page.next };
  }
  const items: SeenRequest[] = [];
  let isProgressKnown = true;
  let next: string | null = before ?? null;
  for (let pages = 0; pages < SCAN_PAGES_MAX; pages += 1) {
    const page: Page<ListedRequest> = await ports.search(
      { ...filter, state: "queued" },
      { before: next ?? undefined, limit: SCAN_ROWS },
    );
    const looked = await seen(ports, page.items, status === "in_progress");
    isProgressKnown &&= looked.isProgressKnown;
    for (const request of looked.items) {
      if (items.length === limit) return { items, next, isProgressKnown };
      if (request.state === status) items.push(request);
      next = request.requestId;
    }
    if (page.next === null) return { items, next: null, isProgressKnown };
  }
  return { items, next, isProgressKnown };
}

async function seen(
  ports: ListPorts,
  rows: readonly ListedRequest[],
  isNeeded = false,
): Promise<{ items: SeenRequest[]; isProgressKnown: boolean }> {
  const queued = rows.filter(({ state }) => state === "queued");
  let marks: (StartedHint | undefined)[] = [];
  let isProgressKnown = true;
  try {
    if (queued.length > 0) marks = await ports.readStarted(queued);
  } catch (error) {
    if (isNeeded) throw error;
    isProgressKnown = false;
  }
  const started = new Map(queued.map(({ requestId }, index) => [requestId, marks[index]]));
  const items = rows.map((row): SeenRequest => {
    const mark = started.get(row.requestId);
    if (mark === undefined) return row;
    return { ...row, state: "in_progress", attempts: mark.attempt, startedAtMs: mark.startedAtMs };
  });
  return { items, isProgressKnown };
}
