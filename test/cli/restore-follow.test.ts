import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUIDv7 } from "bun";

import { queueDepths, takeOne } from "../../adapters/amqp/inspect.ts";
import {
  encodeDeadRequest,
  encodeRequest,
  encodeResult,
  type OutgoingMessage,
} from "../../adapters/amqp/messages.ts";
import { openSignatures } from "../../adapters/process/broker.ts";
import { createPublisher, type Publisher } from "../../adapters/amqp/publisher.ts";
import { readQueued } from "../../adapters/postgres/find-requests.ts";
import { countLivePublishers } from "../../adapters/postgres/publishers.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import { serverUrls } from "../support/servers.ts";
import { type TestStack, startTestStack } from "../support/stack/stack.ts";
import { commandsOn, type Tollgate } from "./command.ts";

const LIMIT_MS = 60_000;
const QUEUE = "inference_requests";
const DEAD = { code: "WORKER_CRASHED", message: "put there by a test" } as const;

describe("servers that are ahead of a database that was set back", () => {
  let stack: TestStack;
  let tollgate: Tollgate;
  let publisher: Publisher;
  /** An open request with its message; one whose row is gone; one that has ended; one without a message. */
  let [kept, forgotten, ended, lost, delayed]: string[] = [];
  let earliest: QueuedRequest;

  beforeAll(async () => {
    stack = await startTestStack({
      servers: serverUrls(),
      notYet: ["worker"],
      // Longer than two commands take.
      settings: { retry: { delays_ms: [12_000] } },
    });
    tollgate = commandsOn(stack);
    const api = stack.api(await stack.addUser());
    const ids: string[] = [];
    for (const name of ["kept", "forgotten", "ended", "lost", "delayed"])
      ids.push((await api.generate({ prompt: name, max_tokens: 16 })).request_id);
    [kept, forgotten, ended, lost, delayed] = ids;
    await untilTrue("all wait in the queue", 10_000, async () => {
      return (await stack.books.depths())[QUEUE] === 5;
    });
    publisher = createPublisher(stack.books.broker, {
      channels: 1,
      messagesMax: 10,
      bytesMax: 1e6,
      confirmTimeoutMs: 5_000,
      signatures: openSignatures(() => stack.config),
    });
    earliest = await requestOf(kept);
  }, LIMIT_MS);
  afterAll(async () => {
    await publisher.close();
    await stack.stop();
  }, LIMIT_MS);

  const requestOf = async (id: string | undefined): Promise<QueuedRequest> => {
    const [request] = await readQueued(stack.books.database, [id ?? ""]);
    if (request === undefined) throw new Error("there is no such request");
    return request;
  };
  const put = (queue: string, message: OutgoingMessage): Promise<void> =>
    publisher.publish(`${stack.config.amqp.queue_prefix}${queue}`, message);
  const idsIn = async (queue: string): Promise<unknown[]> =>
    (await stack.books.messages(queue)).map(({ messageId }) => messageId);
  const take = (queue: string, id: string | undefined) =>
    takeOne(stack.books.broker, `${stack.config.amqp.queue_prefix}${queue}`, id ?? "", {
      limit: 100,
    });

  test(
    "are left alone while anything is at work on them, or nobody says yes",
    async () => {
      const busy = await tollgate("restore", "follow", "--yes");
      await stack.stopRole("gateway");
      await stack.stopRole("collector");
      await untilTrue("the gateway is silent", 10_000, async () => {
        return (await countLivePublishers(stack.books.database, 5_000)) === 0;
      });
      const unasked = await tollgate("restore", "follow");

      expect(busy).toMatchObject({
        exitCode: EXIT.usage,
        err: expect.stringContaining("gateways run") as string,
      });
      expect(unasked).toMatchObject({
        exitCode: EXIT.usage,
        err: expect.stringContaining("--yes") as string,
      });
      expect(await idsIn(QUEUE)).toEqual([kept, forgotten, ended, lost, delayed]);
    },
    LIMIT_MS,
  );

  test(
    "lose what the database does not know, keep what is open, and get what is missing",
    async () => {
      const unknown = { ...earliest, head: { ...earliest.head, requestId: randomUUIDv7() } };
      const letterOfEnded = encodeDeadRequest(await requestOf(ended), DEAD);
      const wait = stack.books.queues.waits.at(-1);
      if (wait === undefined) throw new Error("there is no delay queue");
      const later = { ...(await requestOf(delayed)), attempt: 2 };
      for (const request of [later, unknown])
        await publisher.publishThrough(
          wait.exchange,
          stack.books.queues.requests.name,
          encodeRequest(request),
        );
      await take(QUEUE, delayed);
      await take(QUEUE, lost);
      await put("inference_results", encodeResult(resultOf(unknown)));
      await put("inference_requests.dead", encodeDeadRequest(unknown, DEAD));
      await put("inference_requests.dead", letterOfEnded);
      await setBack(stack, { forgotten, ended });

      const ran = await tollgate("restore", "follow", "--yes");

      expect({ exitCode: ran.exitCode, err: ran.err }).toEqual({ exitCode: 0, err: "" });
      expect(ran.out).toContain("the books agree");
      expect(ran.out).toContain("4 messages dropped of requests that PostgreSQL does not know");
      expect(ran.out).toContain("1 message dropped of requests that had ended, 3 kept");
      expect(ran.out).toContain("1 request published again");
      expect(await idsIn(QUEUE)).toEqual([kept, lost]);
      expect(await idsIn("inference_results")).toEqual([]);
      expect(await idsIn("inference_requests.dead")).toEqual([ended]);
      const depth = (await queueDepths(stack.books.broker, [wait.queue.name])).get(wait.queue.name);
      expect(depth?.ready).toBe(1);
      const holds = (await stack.books.holds()).map(({ requestId }) => requestId);
      expect(holds.toSorted()).toEqual([kept, lost, delayed].map(String).toSorted());
    },
    LIMIT_MS,
  );

  test(
    "may be brought together twice: nothing changes",
    async () => {
      const again = await tollgate("restore", "follow", "--yes");

      expect(again.exitCode).toBe(0);
      expect(again.out).toContain("0 messages dropped of requests that PostgreSQL does not know");
      expect(again.out).toContain("0 requests published");
      expect(await idsIn(QUEUE)).toEqual([kept, lost]);
    },
    LIMIT_MS,
  );

  test(
    "work again: every open request completes",
    async () => {
      for (const role of ["gateway", "collector", "worker"] as const) await stack.startRole(role);

      await stack.books.untilQuiet();

      const states = await stack.books.database.run(
        "read how they ended",
        (sql) => sql<{ status: string; count: number }[]>`
        select status, count(*) from requests group by status order by status`,
      );
      expect([...states]).toEqual([
        { status: "cancelled", count: 1 },
        { status: "completed", count: 3 },
      ]);
    },
    LIMIT_MS,
  );
});

/** As a database that was set back: one request was never stored, another had ended. */
async function setBack(
  { books: { database } }: TestStack,
  { forgotten, ended }: { forgotten: string | undefined; ended: string | undefined },
): Promise<void> {
  await database.run(
    "forget a request",
    (sql) => sql`delete from requests where request_id = ${forgotten ?? ""}`,
  );
  await database.run(
    "end a request",
    (sql) =>
      sql`update requests set status = 'cancelled', completed_at = now() where request_id = ${ended ?? ""}`,
  );
}

const resultOf = ({ head }: QueuedRequest): QueuedResult => ({
  head,
  state: "failed",
  attempts: 1,
  startedAtMs: head.createdAtMs,
  completedAtMs: head.createdAtMs,
  usage: null,
  error: { code: "UPSTREAM_REJECTED", message: "put there by a test" },
  result: null,
});
