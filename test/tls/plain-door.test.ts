/** How `./tollgate drill production` calls gateways that are encrypted, as an ingress does. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openPlainDoor } from "../../drill/production/plain-door.ts";
import { type Authority, makeAuthority } from "../../local/tls/authority.ts";

const SERVER_NAME = "gateway.tollgate.svc";

const folder = mkdtempSync(join(tmpdir(), "tollgate-door-"));
let authority: Authority;
let server: Bun.Server<unknown>;

beforeAll(async () => {
  authority = await makeAuthority(folder);
  const { cert, key } = await authority.issue({ name: "server", hosts: [SERVER_NAME] });
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: Bun.file(cert), key: Bun.file(key) },
    fetch: async (request) => new Response(`heard ${await request.text()}`),
  });
});
afterAll(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

async function callThrough(serverName: string): Promise<string> {
  const ca = readFileSync(authority.ca, "utf8");
  const door = await openPlainDoor({ port: server.port ?? 0, ca, serverName });
  try {
    const body = "x".repeat(200_000);
    const reply = await fetch(door.url, { method: "POST", body });
    return (await reply.text()).slice(0, 8);
  } finally {
    await door.close();
  }
}

test("a plain call reaches a server that has the name, whole and back", async () => {
  expect(await callThrough(SERVER_NAME)).toBe("heard xx");
});

test("a server that has another name gets no call", async () => {
  const error: unknown = await callThrough("elsewhere.tollgate.svc").catch(
    (caught: unknown) => caught,
  );

  expect(error).toBeInstanceOf(Error);
});
