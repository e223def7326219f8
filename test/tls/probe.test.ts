/** What `./tollgate drill production` finds out of servers by a program in a pod. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Spoken } from "../../drill/production/mutual-tls.ts";
import { type Authority, type Certificate, makeAuthority } from "../../local/tls/authority.ts";

const PROBE = join(import.meta.dir, "../../drill/production/probe.ts");
const LIMIT_MS = 30_000;

const folder = mkdtempSync(join(tmpdir(), "tollgate-probe-"));
let authority: Authority;
let served: Certificate;

beforeAll(async () => {
  authority = await makeAuthority(join(folder, "authority"));
  served = await authority.issue({ name: "server", hosts: ["localhost"] });
  const { cert, key } = await authority.issue({ name: "client" });
  copyFileSync(authority.ca, join(folder, "ca.crt"));
  copyFileSync(cert, join(folder, "tls.crt"));
  copyFileSync(key, join(folder, "tls.key"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function probe(tls: Bun.TLSOptions | undefined): Promise<Spoken> {
  const server = Bun.serve({
    hostname: "localhost",
    port: 0,
    ...(tls && { tls }),
    fetch: () => new Response("well"),
  });
  try {
    const probed = [{ name: "one", host: "localhost", port: server.port, protocol: "http" }];
    const run = Bun.spawn([process.execPath, PROBE, JSON.stringify(probed), folder], {
      stdout: "pipe",
      stderr: "inherit",
      timeout: LIMIT_MS,
    });
    const [found] = JSON.parse(await new Response(run.stdout).text()) as [Spoken];
    return found;
  } finally {
    await server.stop(true);
  }
}

test(
  "a server that demands certificates is told from one that does not, and from one without TLS",
  async () => {
    const encrypted = { cert: Bun.file(served.cert), key: Bun.file(served.key) };
    const demanding = {
      ...encrypted,
      ca: Bun.file(authority.ca),
      requestCert: true,
      rejectUnauthorized: true,
    };
    const none = { withoutTls: false, withoutCertificate: false, withCertificate: false };

    expect(await probe(demanding)).toEqual({ ...none, name: "one", withCertificate: true });
    expect(await probe(encrypted)).toEqual({
      ...none,
      name: "one",
      withoutCertificate: true,
      withCertificate: true,
    });
    expect(await probe(undefined)).toEqual({ ...none, name: "one", withoutTls: true });
  },
  LIMIT_MS,
);
