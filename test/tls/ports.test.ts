import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";

import { type Authority, type Certificate, makeAuthority } from "../../local/tls/authority.ts";
import { eventually, untilTrue } from "../../local/stack/eventually.ts";
import { serverTls, serverUrls } from "../support/servers.ts";
import { startTestStack, type TestStack } from "../support/stack/stack.ts";

const LIMIT_MS = 90_000;
const CALLERS = 8;

describe("the ports of a gateway that demands certificates", () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-ports-"));
  const own = { cert: join(folder, "own.pem"), key: join(folder, "own.key") };
  let authority: Authority;
  let client: Certificate;
  let strange: Certificate;
  let stack: TestStack;

  beforeAll(async () => {
    authority = await makeAuthority(folder);
    client = await authority.issue({ name: "client" });
    strange = await (await makeAuthority(join(folder, "strange"))).issue({ name: "client" });
    await serve("first");
    const files = { CERT: own.cert, KEY: own.key, CA: authority.ca };
    const variables = ["GATEWAY", "METRICS"].flatMap((part) =>
      Object.entries(files).map(([name, file]) => [`TOLLGATE_${part}__TLS__${name}`, file]),
    );
    stack = await startTestStack({
      servers: serverUrls(),
      tls: serverTls(),
      notYet: ["gateway"],
      settings: { log_level: "info" },
    });
    const started = stack.component("gateway-1").start(Object.fromEntries(variables));
    // Its health is asked for with certificates of the stack's own authority, which it does not believe.
    started.catch(() => {});
    await untilTrue(
      "the gateway answers",
      30_000,
      async () => (await call("/health/live")) === 200,
    );
  }, LIMIT_MS);
  afterAll(async () => {
    await stack.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  /** Puts a certificate of that name where the gateway reads its own. */
  async function serve(name: string): Promise<void> {
    const made = await authority.issue({ name, hosts: ["localhost", "127.0.0.1"] });
    await copyFile(made.key, own.key);
    await copyFile(made.cert, own.cert);
  }

  const shows = (shown: Certificate | null) => ({
    ca: readFileSync(authority.ca, "utf8"),
    ...(shown && { cert: readFileSync(shown.cert, "utf8"), key: readFileSync(shown.key, "utf8") }),
  });

  /** The status of a reply, or "refused". */
  async function call(path: string, shown: Certificate | null = client, init = {}) {
    const { url, metricsUrl } = stack.component("gateway-1");
    const base = path === "/metrics" ? new URL(metricsUrl).origin : url;
    try {
      const options = { tls: shows(shown), keepalive: false, signal: AbortSignal.timeout(10_000) };
      const reply = await fetch(`${base}${path}`, { ...options, ...init });
      await reply.text();
      return reply.status;
    } catch (error) {
      return `refused: ${String(error)}`;
    }
  }

  function shownNow(): Promise<string> {
    const { port } = new URL(stack.component("gateway-1").url);
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: Number(port), servername: "localhost" };
      const socket = connect({ ...options, ...shows(client) }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on("error", reject);
    });
  }

  test.each(["/health/live", "/metrics"])(
    "%s answers who shows one, and nobody else",
    async (path) => {
      expect(await call(path)).toBe(200);
      expect(String(await call(path, null))).toContain("refused");
      expect(String(await call(path, strange))).toContain("refused");
    },
  );

  test(
    "renew their certificate under load: no request fails, and each is completed once",
    async () => {
      const user = await stack.addUser();
      const headers = {
        authorization: `Bearer ${user.apiKey}`,
        "content-type": "application/json",
      };
      const codes: unknown[] = [];
      const over = new AbortController();
      const callers = Array.from({ length: CALLERS }, async (_, index) => {
        while (!over.signal.aborted) {
          const body = JSON.stringify({ prompt: "hello", max_tokens: 5 });
          const keepalive = index % 2 === 0;
          codes.push(await call("/generate", client, { method: "POST", headers, body, keepalive }));
        }
      });
      await untilTrue("requests are accepted", 10_000, () => codes.length > 100);

      await serve("second");
      const shown = await eventually("the second certificate is shown", 30_000, async () => {
        const name = await shownNow();
        return name === "first" ? undefined : name;
      });
      const then = codes.length;
      await untilTrue("more requests are accepted", 10_000, () => codes.length > then + 100);
      over.abort();
      await Promise.all(callers);
      await stack.books.untilQuiet();

      expect(shown).toBe("second");
      expect(codes.filter((code) => code !== 202)).toEqual([]);
      const [{ completed } = { completed: 0 }] = await stack.books.database.run(
        "count",
        (sql) => sql`select count(*)::int as completed from requests where status = 'completed'`,
      );
      expect(completed).toBe(codes.length);
      expect(await stack.books.audit()).toMatchObject({ isConsistent: true });
    },
    LIMIT_MS,
  );
});
