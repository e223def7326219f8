import { afterAll, beforeAll, expect, test } from "bun:test";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../support/postgres.ts";
import { commandsWith } from "./command.ts";

const ROLE = `reader_${crypto.randomUUID().slice(0, 8)}`;

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(async () => {
  await server.database.run("drop", (sql) => sql.unsafe(`drop owned by ${ROLE}`));
  await server.database.run("drop", (sql) => sql.unsafe(`drop role ${ROLE}`));
  await server.drop();
});

test("migrate --reader lets a role read, makes it only with a password, and says what failed", async () => {
  const env = { DATABASE_URL: server.url };

  const missing = await commandsWith(env)("migrate", "--reader", ROLE);
  const made = await commandsWith({ ...env, TOLLGATE_READER_PASSWORD: "secret" })(
    "migrate",
    "--reader",
    ROLE,
  );
  const again = await commandsWith(env)("migrate", "--reader", ROLE, "--json");
  const url = new URL(server.url);
  url.username = ROLE;
  url.password = "secret";
  const read = await server
    .connect({ url: url.toString() })
    .run("read", (sql) => sql`select name from users`);

  expect(missing).toMatchObject({
    exitCode: EXIT.failed,
    err: expect.stringContaining(`role "${ROLE}" does not exist`),
  });
  expect([made, again].map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  expect(again.out).toBe('{"applied":[]}\n');
  expect([...read]).toEqual([]);
}, 60_000);
