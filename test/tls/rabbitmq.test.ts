/** RabbitMQ that demands certificates, and whom it and we believe. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, copyFileSync } from "node:fs";
import { join } from "node:path";

import { connectAmqp } from "../../adapters/amqp/connection.ts";
import { openTlsFiles, type TlsFiles } from "../../adapters/tls/tls-files.ts";
import type { TlsConfig } from "../../core/config/tls-schema.ts";
import { findFreePorts, waitForListener } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { LOCAL_RABBITMQ } from "../../local/servers/rabbitmq.ts";
import { type Authority, type Certificate, makeAuthority } from "../../local/tls/authority.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { makeServerHome, requireBinaries } from "../faults/servers/server-home.ts";
import { createServerProcess, type ServerProcess } from "../faults/servers/server-process.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { runRabbitmqctl } from "../support/rabbitmqctl.ts";

const START_LIMIT_MS = 90_000;
const LISTEN_LIMIT_MS = 60_000;
const CONNECT_MS = 1_500;

describe.skipIf(!hasServerPrograms())("RabbitMQ with certificates", () => {
  const home = makeServerHome();
  const certificates = join(home.folder, "certificates");
  const served = {
    cert: join(home.folder, "server.pem"),
    key: join(home.folder, "server-key.pem"),
  };
  const password = newPassword();
  let processes: ServerProcess[] = [];
  let authority: Authority;
  let own: Certificate;
  let port = 0;
  let epmdPort = 0;

  beforeAll(async () => {
    authority = await makeAuthority(certificates);
    own = await authority.issue({ name: "tollgate" });
    copyCertificate(await authority.issue({ name: "server", hosts: ["localhost"] }));
    const [amqp = 0, dist = 0, epmd = 0, encrypted = 0] = await findFreePorts(4);
    [port, epmdPort] = [encrypted, epmd];
    const settings = { folder: home.folder, password, ports: { amqp, dist, epmd } };
    const launches = await LOCAL_RABBITMQ.prepare(settings, requireBinaries("rabbitmq"));
    const config = [
      `listeners.ssl.default = 127.0.0.1:${port}`,
      `ssl_options.cacertfile = ${authority.ca}`,
      `ssl_options.certfile = ${served.cert}`,
      `ssl_options.keyfile = ${served.key}`,
      "ssl_options.verify = verify_peer",
      "ssl_options.fail_if_no_peer_cert = true",
    ];
    appendFileSync(join(home.folder, "rabbitmq.conf"), `${config.join("\n")}\n`);
    processes = launches.map((launch) => createServerProcess(launch, { folder: home.folder }));
    for (const [index, process] of processes.entries()) {
      process.start();
      const listensOn = launches[index]?.listensOn;
      if (listensOn !== undefined) await waitForListener(listensOn, LISTEN_LIMIT_MS);
    }
    await waitForListener(port, LISTEN_LIMIT_MS);
  }, START_LIMIT_MS);
  afterAll(async () => {
    await Promise.all(processes.map((process) => process.kill()));
    home.remove();
  });

  function copyCertificate({ cert, key }: Certificate): void {
    copyFileSync(cert, served.cert);
    copyFileSync(key, served.key);
  }

  /** Gives RabbitMQ another certificate, which new connections get. */
  async function serve(certificate: Certificate): Promise<void> {
    copyCertificate(certificate);
    const node = { node: "tollgate@localhost", folder: home.folder, epmdPort };
    await runRabbitmqctl(node, ["eval", "ssl:clear_pem_cache()."]);
  }

  const connectionWith = (tls: TlsFiles, host = "localhost") =>
    connectAmqp({
      url: `amqps://tollgate:${password}@${host}:${port}`,
      tls,
      heartbeatSeconds: 20,
      name: "tls-test",
      log: silentLog,
    });

  /** "up", or why there is no connection. */
  async function stateWith(files: NonNullable<TlsConfig>, host?: string): Promise<string> {
    const tls = await openTlsFiles(files, { log: silentLog, name: "test" });
    const connection = connectionWith(tls, host);
    try {
      await connection.whenUp(CONNECT_MS);
      return "up";
    } catch (error) {
      return String((error as Error).cause);
    } finally {
      await connection.close(100);
      tls.close();
    }
  }

  test("is spoken to with both sides' certificates checked", async () => {
    expect(await stateWith({ ca: authority.ca, ...own })).toBe("up");
  });

  test("of another authority is not believed, nor by a name that its certificate lacks", async () => {
    const stranger = await makeAuthority(join(certificates, "stranger"));

    expect(await stateWith({ ca: stranger.ca, ...own })).toMatch(/certificate/i);
    expect(await stateWith({ ca: authority.ca, ...own }, "127.0.0.1")).toMatch(/altnames/i);
  });

  test("lets nobody in without a certificate of its authority", async () => {
    const stranger = await makeAuthority(join(certificates, "another"));
    const foreign = await stranger.issue({ name: "foreign" });

    expect(await stateWith({ ca: authority.ca })).not.toBe("up");
    expect(await stateWith({ ca: authority.ca, ...foreign })).not.toBe("up");
  });

  test("whose certificate has ended is not believed", async () => {
    await serve(await authority.issue({ name: "late", hosts: ["localhost"], days: -1 }));
    try {
      expect(await stateWith({ ca: authority.ca, ...own })).toMatch(/expired/i);
    } finally {
      await serve(await authority.issue({ name: "server", hosts: ["localhost"] }));
    }
  });

  test("is spoken to with a renewed certificate by the next connection; the other goes on", async () => {
    const files = { ca: authority.ca, ...(await authority.issue({ name: "renewed", days: 10 })) };
    const tls = await openTlsFiles(files, { log: silentLog, name: "test", lookMs: 20 });
    const standing = connectionWith(tls);
    await standing.whenUp(CONNECT_MS);
    const renewed = Promise.withResolvers<void>();
    tls.onRenewed(() => renewed.resolve());

    await authority.issue({ name: "renewed", days: 20 });
    await renewed.promise;
    const next = connectionWith(tls);
    await next.whenUp(CONNECT_MS);

    expect(await standing.withChannel(async () => standing.state())).toBe("up");
    await Promise.all([standing.close(), next.close()]);
    tls.close();
  });

  test("goes on when our certificate ends; new connections name it, until it is renewed", async () => {
    const endsAtMs = Math.ceil(Date.now() / 1_000 + 3) * 1_000;
    const files = { ca: authority.ca, ...(await authority.issue({ name: "ending", endsAtMs })) };
    const tls = await openTlsFiles(files, { log: silentLog, name: "test", lookMs: 20 });
    const standing = connectionWith(tls);
    await standing.whenUp(CONNECT_MS);
    // Erlang takes it for good until its last second is over.
    await untilTrue("it has ended", 10_000, () => Date.now() > endsAtMs + 1_000);

    const refused = await stateWith(files);
    const isUp = await standing.withChannel(async () => standing.state());
    const renewed = Promise.withResolvers<void>();
    tls.onRenewed(() => renewed.resolve());
    await authority.issue({ name: "ending", days: 20 });
    await renewed.promise;
    const next = connectionWith(tls);
    await next.whenUp(CONNECT_MS);

    const end = new Date(endsAtMs).toISOString();
    expect(refused).toContain(`tls.cert: ${files.cert} expired on ${end}`);
    expect(isUp).toBe("up");
    await Promise.all([standing.close(), next.close()]);
    tls.close();
  });

  test("whose certificate ends is spoken to on, and new connections name it and its end", async () => {
    const endsAtMs = Math.ceil(Date.now() / 1_000 + 3) * 1_000;
    const tls = await openTlsFiles({ ca: authority.ca, ...own }, { log: silentLog, name: "test" });
    await serve(await authority.issue({ name: "brief", hosts: ["localhost"], endsAtMs }));
    try {
      const standing = connectionWith(tls);
      await standing.whenUp(CONNECT_MS);
      await untilTrue("it has ended", 10_000, () => Date.now() > endsAtMs);
      const late = connectionWith(tls);

      const refused = await late.whenUp(CONNECT_MS).catch((error: Error) => String(error.cause));

      const end = new Date(endsAtMs).toISOString();
      expect(refused).toContain(`the server's certificate (CN=brief) expired on ${end}`);
      expect(await standing.withChannel(async () => standing.state())).toBe("up");
      await Promise.all([standing.close(), late.close(100)]);
    } finally {
      await serve(await authority.issue({ name: "server", hosts: ["localhost"] }));
      tls.close();
    }
  });
});
