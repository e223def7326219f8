import { afterAll, beforeAll, expect, test } from "bun:test";

import { EXIT } from "../../adapters/terminal/failure.ts";
import type { OwnDatabase } from "../../local/stack/own-database.ts";
import { createTestDatabase } from "../support/servers.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { commandsWith } from "./command.ts";

const SEEN_LIMIT_MS = 10_000;

let database: OwnDatabase;
let proxy: TcpProxy;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startTcpProxy(database.url);
});
afterAll(async () => {
  await proxy.stop();
  await database.drop();
});

test("migrate --wait waits for a PostgreSQL that is still starting, so long and no longer", async () => {
  const tollgate = commandsWith({ DATABASE_URL: proxy.url });
  proxy.refuse();
  const inVain = await tollgate("migrate", "--wait", "1s");
  proxy.freeze();
  const patient = tollgate("migrate", "--wait", "20s", "--json");
  await until(() => proxy.connections() > 0, SEEN_LIMIT_MS);
  proxy.cut();
  proxy.heal();

  const { exitCode, out } = await patient;

  expect(inVain.exitCode).toBe(EXIT.unreachable);
  expect(inVain.err).toContain("was not there within 1 s");
  expect(exitCode).toBe(0);
  expect(out).toContain("0001_");
});
