import type { AttemptHints } from "../../core/attempt/start.ts";
import type { OwnPlace } from "../../core/queue/waiting.ts";
import { isTerminal, type RequestState } from "../../core/request/request.ts";
import type { ListedRequest, Page } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";
import { NO_HINTS, type RequestView, type Standing, viewRequest } from "./request-view.ts";
import type { Standings } from "./standings.ts";

type Ports = Pick<GatewayPorts, "listRequests" | "readHints" | "parkedPlaces" | "open" | "log">;

export interface ListOptions {
  userId: string;
  /** The user's tier; null: the default one. */
  tier: string | null;
  /** undefined: all. */
  status: RequestState | undefined;
  /** Only requests older than this one; undefined: from the newest on. */
  after: string | undefined;
  limit: number;
}

/**
 * Reads a page of a user's requests, newest first, without results.
 *
 * @throws {Fault} STORE_UNAVAILABLE; QUOTA_UNAVAILABLE when those in progress are asked for
 */
export type ListRequests = (options: ListOptions) => Promise<Page<RequestView>>;

/** Rows read at once while looking for those that are, or are not, in progress. */
const SCAN_ROWS = 200;
const SCAN_PAGES_MAX = 10;

/** A row with what is known of its attempts. */
interface Marked {
  row: ListedRequest;
  /** Counts only while the request has not ended. */
  hints: AttemptHints;
}

const stateOf = ({ row, hints }: Marked): RequestState =>
  row.state === "queued" && hints.started !== undefined ? "in_progress" : row.state;

/**
 * `queued` and `in_progress` are one state in PostgreSQL, told apart by the workers' marks after reading: a
 * page then ends, full or not, after a bounded number of rows, and `next` goes on from there. Without Redis
 * all of them count as queued, and asking for those in progress throws. Why requests wait is asked for the
 * whole page at once.
 */
export function createListRequests(ports: Ports, standings: Standings): ListRequests {
  async function mark(
    rows: readonly ListedRequest[],
    status: RequestState | undefined,
  ): Promise<Marked[]> {
    const open = rows.filter((row) => !isTerminal(row.state));
    const hints = await readHints(open, status);
    const byId = new Map(open.map((row, index) => [row.requestId, hints[index]]));
    return rows.map((row) => ({ row, hints: byId.get(row.requestId) ?? NO_HINTS }));
  }

  async function readHints(
    open: readonly ListedRequest[],
    status: RequestState | undefined,
  ): Promise<AttemptHints[]> {
    if (open.length === 0) return [];
    try {
      return await ports.readHints(open);
    } catch (error) {
      if (status === "in_progress") throw error;
      return [];
    }
  }

  async function view(marked: readonly Marked[], tier: string | null): Promise<RequestView[]> {
    const places = await readPlaces(marked);
    return marked.map((one) => {
      const { row, hints } = one;
      const place = places.get(row.requestId);
      const standing = isTerminal(row.state)
        ? undefined
        : standings.standingOf(row, tier, hints, place);
      return viewRow(row, standing);
    });
  }

  async function readPlaces(marked: readonly Marked[]): Promise<Map<string, OwnPlace | undefined>> {
    const ids = marked
      .filter((one) => stateOf(one) === "queued" && standings.mayBeParked(one.row.model))
      .map(({ row }) => row.requestId);
    if (ids.length === 0) return new Map();
    // Why they wait is no reason to fail.
    const places = await ports.parkedPlaces(ids).catch(() => []);
    return new Map(ids.map((id, index) => [id, places[index]]));
  }

  /** A row that cannot be opened, for example for want of an old key, must not take the page away. */
  function viewRow(row: ListedRequest, standing: Standing | undefined): RequestView {
    const listed = { ...row, result: null, errorDetail: null };
    try {
      return viewRequest(listed, standing, ports.open);
    } catch (error) {
      ports.log.error(
        { err: error, request_id: row.requestId },
        "the metadata of a request cannot be opened; it is listed without",
      );
      return viewRequest({ ...listed, metadata: null }, standing, ports.open);
    }
  }

  async function listByMark(options: ListOptions): Promise<Page<Marked>> {
    const { userId, status, after, limit } = options;
    const items: Marked[] = [];
    let before = after;
    for (let page = 0; page < SCAN_PAGES_MAX; page += 1) {
      const rows = await ports.listRequests({ userId, state: "queued", before, limit: SCAN_ROWS });
      for (const marked of await mark(rows, status)) {
        if (items.length === limit) return { items, next: before ?? null };
        if (stateOf(marked) === status) items.push(marked);
        before = marked.row.requestId;
      }
      if (rows.length < SCAN_ROWS) return { items, next: null };
    }
    return { items, next: before ?? null };
  }

  async function listByState(options: ListOptions): Promise<Page<Marked>> {
    const { userId, status, after: before, limit } = options;
    if (status === "queued" || status === "in_progress") return listByMark(options);
    const rows = await ports.listRequests({ userId, state: status, before, limit: limit + 1 });
    const items = await mark(rows.slice(0, limit), status);
    return { items, next: rows.length > limit ? (items.at(-1)?.row.requestId ?? null) : null };
  }

  return async (options) => {
    const { items, next } = await listByState(options);
    return { items: await view(items, options.tier), next };
  };
}
