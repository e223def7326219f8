import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";

import { type Certificate, makeAuthority } from "../../local/tls/authority.ts";
import { silentLog } from "../../runtime/log.ts";
import { listenRenewably, type RenewableListener } from "./renewable-listener.ts";
import { openTlsFiles } from "./tls-files.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-listener-"));
const authority = await makeAuthority(join(folder, "ours"));
const stranger = await makeAuthority(join(folder, "strange"));
const hosts = ["localhost"];
const server = await authority.issue({ name: "server", hosts });
const client = await authority.issue({ name: "client" });
const ca = readFileSync(authority.ca, "utf8");
const opened: RenewableListener[] = [];
afterAll(async () => {
  await Promise.all(opened.map((one) => one.stop(true)));
  rmSync(folder, { recursive: true, force: true });
});

const read = ({ cert, key }: Certificate) => ({
  cert: readFileSync(cert, "utf8"),
  key: readFileSync(key, "utf8"),
});

interface Wish extends Certificate {
  ca?: string;
  port?: number;
  idleTimeout?: number;
}

async function listen({ port = 0, idleTimeout = 30, ...files }: Wish): Promise<RenewableListener> {
  const answer = (): Response => new Response("answered");
  const listener = listenRenewably(
    {
      open: (options) => Bun.serve({ ...options, fetch: answer }),
      answer,
      files: await openTlsFiles(files, { log: silentLog, name: "test", lookMs: 20 }),
      log: silentLog,
    },
    { hostname: "127.0.0.1", port, idleTimeout, reusePort: false },
  );
  opened.push(listener);
  return listener;
}

/** The answer, or the code of the error. */
async function call(port: number, tls: object, host = "localhost"): Promise<string> {
  try {
    const reply = await fetch(`https://${host}:${port}/`, { tls, keepalive: false });
    return await reply.text();
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** The name that the server of a new connection shows. */
function shownBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca, servername: "localhost" }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

/**
 * Calls `https://localhost:PORT/` on connections that are kept and on new ones until its standard input ends,
 * then prints what became of the calls. A process of its own: the server's must not wait for it.
 */
const LOAD = `
  const ca = await Bun.file(process.env.CA).text();
  const counted = { answered: 0, failures: [] };
  let isOver = false;
  const call = async (keepalive) => {
    while (!isOver) {
      try {
        const signal = AbortSignal.timeout(10_000);
        const options = { tls: { ca }, keepalive, signal };
        await (await fetch("https://localhost:" + process.env.PORT + "/", options)).text();
        counted.answered += 1;
      } catch (error) {
        counted.failures.push((keepalive ? "kept: " : "new: ") + error);
      }
      // Connections stand idle now and then.
      if (counted.answered % 7 === 0) await Bun.sleep(20);
    }
  };
  const callers = Array.from({ length: 16 }, (_, index) => call(index % 2 === 0));
  await Bun.stdin.text();
  isOver = true;
  await Promise.all(callers);
  console.log(JSON.stringify(counted));
`;

/** As it prints. */
interface Counted {
  answered: number;
  failures: string[];
}

describe("a port with a certificate", () => {
  test("is taken for ours by its authority and name only", async () => {
    const { port } = await listen(server);

    expect(await call(port, { ca })).toBe("answered");
    expect(await call(port, { ca: readFileSync(stranger.ca, "utf8") })).toContain("UNABLE_TO");
    expect(await call(port, { ca }, "127.0.0.1")).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  });

  test("is refused by callers when its certificate has ended", async () => {
    const ended = await authority.issue({ name: "ended", hosts, days: -1 });
    const { port } = await listen(ended);

    expect(await call(port, { ca })).toBe("CERT_HAS_EXPIRED");
  });

  test("speaks neither plain text nor TLS 1.1", async () => {
    const { port } = await listen(server);
    const old = { ca, servername: "localhost", maxVersion: "TLSv1.1", minVersion: "TLSv1.1" };

    const plain = await fetch(`http://localhost:${port}/`).then(
      () => "answered",
      () => "refused",
    );
    const spoken = await new Promise((resolve) => {
      const socket = connect({ host: "127.0.0.1", port, ...old } as object, () => resolve("done"));
      socket.on("error", (error) => resolve(error.message));
    });

    expect([plain, spoken]).toEqual(["refused", expect.stringContaining("PROTOCOL_VERSION")]);
  });

  test("that another process has is not taken over", async () => {
    const { port } = await listen(server);

    expect(await listen({ ...server, port }).catch(({ code }) => code)).toBe("EADDRINUSE");
  });
});

const demanding = await listen({ ...server, ca: authority.ca });
const foreign = await stranger.issue({ name: "client" });
const late = await authority.issue({ name: "late", days: -1 });

describe("a port that demands certificates", () => {
  const { port } = demanding;

  test("answers who shows one of its authority", async () => {
    expect(await call(port, { ca, ...read(client) })).toBe("answered");
  });

  test.each([
    ["none", {}],
    ["one of another authority", read(foreign)],
    ["one that has ended", read(late)],
  ])("answers nobody who shows %s", async (_what, shown) => {
    expect(await call(port, { ca, ...shown })).not.toBe("answered");
  });
});

describe("a certificate that is renewed", () => {
  test("is shown to who comes then, and no call fails, on new connections or kept ones", async () => {
    const own = { cert: join(folder, "own.pem"), key: join(folder, "own.key") };
    const put = async (certificate: Certificate): Promise<void> => {
      await copyFile(certificate.key, own.key);
      await copyFile(certificate.cert, own.cert);
    };
    const renewals = await Promise.all(
      ["second", "third"].map((name) => authority.issue({ name, hosts })),
    );
    await put(server);
    const { port } = await listen({ ...own, idleTimeout: 1 });
    const load = Bun.spawn([process.execPath, "-e", LOAD], {
      env: { PORT: String(port), CA: authority.ca },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });

    const seen: string[] = [await shownBy(port)];
    for (const renewal of renewals) {
      await put(renewal);
      let shown = seen.at(-1);
      while (shown === seen.at(-1)) shown = await shownBy(port);
      seen.push(String(shown));
    }
    await load.stdin.end();
    const { failures, answered } = (await new Response(load.stdout).json()) as Counted;

    expect(seen).toEqual(["server", "second", "third"]);
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(100);
  }, 60_000);
});
