import { describe, expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { encodeJson } from "../../core/request/payload.ts";
import type { GatewayPorts } from "../ports.ts";
import type { ListReply } from "../http/schemas.ts";
import { NO_HINTS } from "./request-view.ts";
import { createFakeGateway, problemOf, storedRequest } from "../../test/support/gateway-world.ts";
import { silentLog } from "../../runtime/log.ts";

const idOf = (index: number): string =>
  `01900000-0000-7000-8000-${String(index).padStart(12, "0")}`;

const STARTED = { ...NO_HINTS, started: { attempt: 1, startedAtMs: 5 } };

/** Requests 1 to `count`, of which every third is in a worker's hands. */
function withRequests(count: number, overrides: Partial<GatewayPorts> = {}) {
  const fake = createFakeGateway({
    readHints: async (lookups) =>
      lookups.map(({ requestId }) => (Number(requestId.slice(-12)) % 3 === 0 ? STARTED : NO_HINTS)),
    ...overrides,
  });
  for (let index = 1; index <= count; index += 1)
    fake.stored.set(idOf(index), storedRequest(idOf(index)));
  const list = async (query: string): Promise<ListReply> =>
    (await (await fake.call("GET", `/requests${query}`)).json()) as ListReply;
  return { ...fake, list };
}

/** All pages of a list, by following `next`. */
async function allOf(
  list: (query: string) => Promise<ListReply>,
  query: string,
): Promise<string[]> {
  const ids: string[] = [];
  let after = "";
  for (let page = 0; page < 100; page += 1) {
    const reply = await list(`?${query}${after}`);
    ids.push(...reply.data.map((request) => request.request_id));
    if (!reply.has_more) return ids;
    after = `&after=${reply.next}`;
  }
  throw new Error("the list has no end");
}

describe("a list of requests", () => {
  test("shows the newest first, with metadata and without results", async () => {
    const { list, stored } = withRequests(2);
    const result = encodeJson({ choices: [] });
    stored.set(
      idOf(3),
      storedRequest(idOf(3), {
        state: "completed",
        completedAtMs: 1,
        result,
        metadata: encodeJson({ order: 7 }),
      }),
    );

    const { data, has_more: hasMore, next } = await list("");

    expect(data.map((request) => request.request_id)).toEqual([idOf(3), idOf(2), idOf(1)]);
    expect(data[0]).toMatchObject({ status: "completed", metadata: { order: 7 } });
    expect(Object.keys(data[0] ?? {})).not.toContain("result");
    expect({ hasMore, next }).toEqual({ hasMore: false, next: null });
  });

  test("shows a request whose metadata cannot be opened without it, and the others as ever", async () => {
    const logged: unknown[] = [];
    const { list, stored } = withRequests(2, {
      log: { ...silentLog, error: (fields) => void logged.push(fields) },
      open: (sealed, { requestId }) => {
        if (requestId === idOf(2)) throw new Error("no such key");
        return sealed;
      },
    });
    for (const index of [1, 2])
      stored.set(idOf(index), storedRequest(idOf(index), { metadata: encodeJson({ index }) }));

    const { data } = await list("");

    expect(data.map((request) => [request.request_id, request.metadata])).toEqual([
      [idOf(2), undefined],
      [idOf(1), { index: 1 }],
    ]);
    expect(logged).toMatchObject([{ request_id: idOf(2), err: { message: "no such key" } }]);
  });

  test("is read page by page without gaps or doubles", async () => {
    const { list } = withRequests(25);

    const ids = await allOf(list, "limit=7");

    expect(ids).toEqual(Array.from({ length: 25 }, (_, index) => idOf(25 - index)));
  });

  test("ends with has_more false when the last page is exactly full", async () => {
    const { list } = withRequests(4);

    expect(await list("?limit=4")).toMatchObject({ has_more: false, next: null });
  });

  test("has 20 requests unless told otherwise", async () => {
    const { list } = withRequests(25);

    expect((await list("")).data).toHaveLength(20);
  });

  test("has only the caller's own", async () => {
    const { list, stored } = withRequests(1);
    stored.set(idOf(2), storedRequest(idOf(2), { userId: "somebody-else" }));

    expect((await list("")).data.map((request) => request.request_id)).toEqual([idOf(1)]);
  });

  test.each([
    ["queued", 17],
    ["in_progress", 8],
  ])("with status=%s has all of those and no others, over many pages", async (status, count) => {
    const { list } = withRequests(25);

    const ids = await allOf(list, `limit=3&status=${status}`);

    expect(new Set(ids).size).toBe(count);
    expect(ids).toHaveLength(count);
    expect(
      ids.every((id) => (Number(id.slice(-12)) % 3 === 0) === (status === "in_progress")),
    ).toBe(true);
  });

  test("with status=in_progress looks at a bounded number of rows and says where to go on", async () => {
    let reads = 0;
    const { list, store } = withRequests(2_500, {
      readHints: async (lookups) => {
        reads += 1;
        return lookups.map(({ requestId }) => (requestId === idOf(1) ? STARTED : NO_HINTS));
      },
    });

    const first = await list("?status=in_progress");

    expect(first.data).toEqual([]);
    expect(first.has_more).toBe(true);
    expect(reads).toBe(10);
    expect((await list(`?status=in_progress&after=${first.next}`)).data).toHaveLength(1);
    expect(store.rows()).toHaveLength(2_500);
  });

  test("without Redis shows started requests as queued, and cannot list those in progress", async () => {
    const { list, call } = withRequests(3, {
      readHints: () => Promise.reject(new Fault("QUOTA_UNAVAILABLE", "away")),
    });

    const all = await list("");
    const inProgress = await call("GET", "/requests?status=in_progress");

    expect(new Set(all.data.map((request) => request.status))).toEqual(new Set(["queued"]));
    expect(inProgress.status).toBe(503);
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["limit=ten", "limit"],
    ["after=nonsense", "after"],
    ["status=done", "status"],
    ["state=queued", "state"],
    ["limit=1&limit=2", "limit"],
  ])("refuses ?%s and names the parameter", async (query, field) => {
    const { call } = createFakeGateway();

    const problem = await problemOf(await call("GET", `/requests?${query}`));

    expect(problem).toMatchObject({
      status: 422,
      code: "PARAMETER_INVALID",
      errors: [{ field }],
    });
  });
});
