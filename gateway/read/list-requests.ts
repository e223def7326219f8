import type { StartedHint } from "../../core/attempt/start.ts";
import type { RequestState } from "../../core/request/request.ts";
import type { ListedRequest, Page } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";
import { type RequestView, viewRequest } from "./request-view.ts";

type Ports = Pick<GatewayPorts, "listRequests" | "readStarted" | "open" | "log">;

export interface ListOptions {
  userId: string;
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

/**
 * `queued` and `in_progress` are one state in PostgreSQL, told apart by the workers' marks after reading: a
 * page then ends, full or not, after a bounded number of rows, and `next` goes on from there. Without Redis
 * all of them count as queued, and asking for those in progress throws.
 */
export function createListRequests(ports: Ports): ListRequests {
  async function readMarks(
    rows: ListedRequest[],
    status: RequestState | undefined,
  ): Promise<Map<string, StartedHint>> {
    const queued = rows.filter((row) => row.state === "queued");
    if (queued.length === 0) return new Map();
    const marks = await ports.readStarted(queued).catch((error: unknown) => {
      if (status === "in_progress") throw error;
      return [];
    });
    return new Map(
      queued.flatMap((row, index) => {
        const mark = marks[index];
        return mark === undefined ? [] : [[row.requestId, mark]];
      }),
    );
  }

  async function view(
    rows: ListedRequest[],
    status: RequestState | undefined,
  ): Promise<RequestView[]> {
    const marks = await readMarks(rows, status);
    return rows.map((row) => viewRow(row, marks.get(row.requestId)));
  }

  /** A row that cannot be opened, for example for want of an old key, must not take the page away. */
  function viewRow(row: ListedRequest, mark: StartedHint | undefined): RequestView {
    const listed = { ...row, result: null };
    try {
      return viewRequest(listed, mark, ports.open);
    } catch (error) {
      ports.log.error(
        { err: error, request_id: row.requestId },
        "the metadata of a request cannot be opened; it is listed without",
      );
      return viewRequest({ ...listed, metadata: null }, mark, ports.open);
    }
  }

  async function listByMark(options: ListOptions): Promise<Page<RequestView>> {
    const { userId, status, after, limit } = options;
    const items: RequestView[] = [];
    let before = after;
    for (let page = 0; page < SCAN_PAGES_MAX; page += 1) {
      const rows = await ports.listRequests({ userId, state: "queued", before, limit: SCAN_ROWS });
      for (const row of await view(rows, status)) {
        if (items.length === limit) return { items, next: before ?? null };
        if (row.state === status) items.push(row);
        before = row.requestId;
      }
      if (rows.length < SCAN_ROWS) return { items, next: null };
    }
    return { items, next: before ?? null };
  }

  return async (options) => {
    const { userId, status, after: before, limit } = options;
    if (status === "queued" || status === "in_progress") return listByMark(options);
    const rows = await ports.listRequests({ userId, state: status, before, limit: limit + 1 });
    const items = await view(rows.slice(0, limit), status);
    return { items, next: rows.length > limit ? (items.at(-1)?.requestId ?? null) : null };
  };
}
