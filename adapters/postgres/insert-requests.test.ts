import { afterAll, beforeAll, expect, test } from "bun:test";

import { runBisected } from "../../runtime/bisect.ts";
import { isDataFault } from "./errors.ts";
import { insertRequests } from "./insert-requests.ts";
import { standings } from "./open-requests.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { newRequest } from "../../test/support/request-samples.ts";
import { startTcpProxy } from "../../test/support/tcp-proxy.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

const idOf = (row: NewRequest): string => row.head.requestId;
const isStored = async (rows: NewRequest[]): Promise<boolean[]> =>
  (await standings(server.database, rows.map(idOf))).map((standing) => standing !== undefined);

const USER = crypto.randomUUID();
const keyed = (key: string): NewRequest =>
  newRequest({
    userId: USER,
    idempotency: { keyHash: Buffer.from(key.padEnd(32)), fingerprint: Buffer.alloc(32) },
  });

test("an insert that comes late because the server was frozen stores nothing when it wakes up", async () => {
  const proxy = await startTcpProxy(server.url);
  const frozen = server.connect({ url: proxy.url, deadlineMs: 200, poolMax: 1 });
  // Prepares the statement, so that the next one is one message.
  await insertRequests(frozen, [newRequest()]);
  const row = newRequest({ acceptUntilMs: Date.now() + 150 });
  proxy.freeze();
  const refused = await insertRequests(frozen, [row]).catch((error: unknown) => error);

  proxy.heal();

  expect(refused).toHaveProperty("code", "STORE_UNAVAILABLE");
  // Whatever was under way when it thawed is executed before the server closes the old session.
  await frozen.ping();
  await server.database.run(
    "wait for old statements",
    (sql) => sql`
      select pg_sleep(0.05)
      from pg_stat_activity
      where state = 'active' and query like 'insert into requests%'`,
  );
  expect(await isStored([row])).toEqual([false]);
  await proxy.stop();
});

test.each([
  ["an id that is none", { userId: "nobody" }],
  ["an id that tries to end the array", { userId: '"},{"' }],
])("a batch with %s fails that row alone", async (_name, bad) => {
  const rows = Array.from({ length: 8 }, (_, i) => newRequest(i === 5 ? bad : {}));

  const outcomes = await runBisected(
    rows,
    (part) => insertRequests(server.database, part),
    isDataFault,
  );

  const isSound = (_: unknown, i: number): boolean => i !== 5;
  expect(outcomes.map(({ ok }) => ok)).toEqual(rows.map(isSound));
});

test("keys used on gateways in crossing orders store one request each, without a deadlock", async () => {
  const keys = Array.from({ length: 400 }, (_, i) => `race ${i}`);
  const gateways = Array.from({ length: 4 }, () => server.connect({ poolMax: 1 }));
  // Connects them, so that they do start together.
  await Promise.all(gateways.map((gateway) => gateway.ping()));
  const batches = gateways.map((_, i) => {
    const rows = keys.map((key) => keyed(key));
    return i % 2 === 0 ? rows : rows.toReversed();
  });

  const outcomes = (
    await Promise.all(gateways.map((gateway, i) => insertRequests(gateway, batches[i] ?? [])))
  ).flat();

  const rows = batches.flat();
  const winners = new Set(rows.filter((_, i) => outcomes[i]?.kind === "stored").map(idOf));
  expect(winners.size).toBe(keys.length);
  expect(
    outcomes.every((outcome) => outcome.kind !== "replay" || winners.has(outcome.requestId)),
  ).toBe(true);
  expect((await isStored(rows)).filter(Boolean).length).toBe(keys.length);
});
