/** PostgreSQL that demands certificates, and whom it and we believe. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";

import { connectPostgres, type Database } from "../../adapters/postgres/connect.ts";
import { openTlsFiles, type TlsFiles } from "../../adapters/tls/tls-files.ts";
import type { TlsConfig } from "../../core/config/tls-schema.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { type Authority, type Certificate, makeAuthority } from "../../local/tls/authority.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { preparePostgres } from "../faults/servers/postgres-node.ts";
import { makeServerHome } from "../faults/servers/server-home.ts";
import { recordMetrics } from "../support/metrics.ts";
import { hasServerPrograms } from "../support/private-servers.ts";

const START_LIMIT_MS = 60_000;

describe.skipIf(!hasServerPrograms())("PostgreSQL with certificates", () => {
  const home = makeServerHome();
  const certificates = join(home.folder, "certificates");
  let node: Awaited<ReturnType<typeof preparePostgres>>;
  let authority: Authority;
  let own: Certificate;
  let admin: postgres.Sql;

  /** Gives PostgreSQL another certificate, which new connections get. */
  async function serve({ cert, key }: Certificate): Promise<void> {
    const data = join(home.folder, "node", "data");
    const { uid, gid } = statSync(data);
    for (const [from, to] of [
      [cert, "server.crt"],
      [key, "server.key"],
      [authority.ca, "root.crt"],
    ] as const) {
      copyFileSync(from, join(data, to));
      chownSync(join(data, to), uid, gid);
    }
    await admin`select pg_reload_conf()`;
  }

  beforeAll(async () => {
    authority = await makeAuthority(certificates);
    own = await authority.issue({ name: "tollgate" });
    const folder = join(home.folder, "node");
    mkdirSync(folder);
    const [port = 0] = await findFreePorts(1);
    node = await preparePostgres({ folder, ports: { postgres: port }, password: newPassword() });
    await node.start();
    admin = postgres(node.url, { max: 1, onnotice: () => {} });
    const [{ hba_file: rules }] = await admin<[{ hba_file: string }]>`show hba_file`;
    // The administrator's connection stands already, and stays.
    writeFileSync(rules, "hostssl all all all scram-sha-256 clientcert=verify-ca\n");
    await admin`alter system set ssl_ca_file = 'root.crt'`;
    await admin`alter system set ssl = on`;
    await serve(await authority.issue({ name: "server", hosts: ["localhost"] }));
  }, START_LIMIT_MS);
  afterAll(async () => {
    await admin?.end({ timeout: 1 });
    await node?.process.kill();
    home.remove();
  });

  /** A database by `localhost`, which is the name in its certificate. */
  async function open(
    files: NonNullable<TlsConfig>,
    { host = "localhost", mode = "verify-full" } = {},
  ): Promise<Database> {
    const tls = await openTlsFiles(files, { log: silentLog, name: "test", lookMs: 20 });
    return openWith(tls, { host, mode });
  }

  function openWith(
    tls: TlsFiles,
    { host = "localhost", mode = "verify-full", poolMax = 1 } = {},
  ): Database {
    const url = new URL(node.url);
    url.hostname = host;
    url.searchParams.set("sslmode", mode);
    return connectPostgres({
      url: url.toString(),
      tls,
      poolMax,
      statementTimeoutMs: 2_000,
      deadlineMs: 3_000,
      name: "tls-test",
    });
  }

  const whoAmI = (database: Database) =>
    database.run(
      "look at our connection",
      (sql) => sql<{ ssl: boolean; version: string; serial: string | null }[]>`
        select ssl, version, client_serial::text as serial
        from pg_stat_ssl
        where pid = pg_backend_pid()`,
    );

  const causeOf = async (files: NonNullable<TlsConfig>, how = {}): Promise<string> =>
    failureOf(await open(files, how));

  async function failureOf(database: Database): Promise<string> {
    try {
      await whoAmI(database);
      return "it connected";
    } catch (error) {
      const { cause } = error as Error;
      return `${(cause as { code?: string })?.code} ${String(cause)}`;
    } finally {
      await database.close(0);
    }
  }

  test("is spoken to with both sides' certificates checked", async () => {
    const database = await open({ ca: authority.ca, ...own });

    const [connection] = await whoAmI(database);

    expect(connection?.ssl).toBe(true);
    expect(["TLSv1.2", "TLSv1.3"]).toContain(connection?.version ?? "");
    expect(connection?.serial).not.toBeNull();
    await database.close();
  });

  test.each(["require", "prefer", "allow"])("sslmode=%s checks as well", async (mode) => {
    const stranger = await makeAuthority(join(certificates, `not-for-${mode}`));

    expect(await causeOf({ ca: stranger.ca, ...own }, { mode, host: "localhost" })).toMatch(
      mode === "require" ? /certificate/i : /certificate|28000/i,
    );
  });

  test("of another authority is not believed", async () => {
    const stranger = await makeAuthority(join(certificates, "stranger"));

    expect(await causeOf({ ca: stranger.ca, ...own })).toMatch(/certificate/i);
  });

  test("by a name that its certificate lacks is not believed, but with verify-ca", async () => {
    const files = { ca: authority.ca, ...own };

    expect(await causeOf(files, { host: "127.0.0.1" })).toMatch(/ALTNAME|does not match/i);
    expect(await causeOf(files, { host: "127.0.0.1", mode: "verify-ca" })).toBe("it connected");
  });

  test("lets nobody in without a certificate of its authority", async () => {
    const stranger = await makeAuthority(join(certificates, "another"));
    const foreign = await stranger.issue({ name: "foreign" });

    expect(await causeOf({ ca: authority.ca })).toContain("28000");
    expect(await causeOf({ ca: authority.ca, ...foreign })).not.toBe("it connected");
  });

  test("whose certificate has ended is not believed", async () => {
    await serve(await authority.issue({ name: "late", hosts: ["localhost"], days: -1 }));
    try {
      expect(await causeOf({ ca: authority.ca, ...own })).toMatch(/expired/i);
    } finally {
      await serve(await authority.issue({ name: "server", hosts: ["localhost"] }));
    }
  });

  test("is spoken to with a renewed certificate by the next connection, and no call fails", async () => {
    const files = { ca: authority.ca, ...(await authority.issue({ name: "renewed", days: 10 })) };
    const tls = await openTlsFiles(files, { log: silentLog, name: "test", lookMs: 20 });
    const database = openWith(tls, { poolMax: 4 });
    const [before] = await whoAmI(database);
    const renewed = Promise.withResolvers<void>();
    tls.onRenewed(() => renewed.resolve());
    const over = new AbortController();
    const serials = new Set<string | null>();
    const failures: unknown[] = [];
    const caller = async (): Promise<void> => {
      while (!over.signal.aborted)
        await whoAmI(database).then(
          ([row]) => serials.add(row?.serial ?? null),
          (error: unknown) => failures.push(error),
        );
    };
    const callers = Array.from({ length: 8 }, caller);

    await authority.issue({ name: "renewed", days: 20 });
    await renewed.promise;
    const standing = new Set(serials);
    const fresh = await open(files);
    const [after] = await whoAmI(fresh);
    over.abort();
    await Promise.all(callers);

    expect(failures).toEqual([]);
    expect(standing).toEqual(new Set([before?.serial ?? null]));
    expect(after?.serial).not.toBe(before?.serial);
    await Promise.all([fresh.close(), database.close()]);
    tls.close();
  });

  test("goes on when our certificate ends; new connections name it, until it is renewed", async () => {
    const endsAtMs = inSeconds(3);
    const files = {
      ca: authority.ca,
      ...(await authority.issue({ name: "ending", endsAtMs })),
    };
    const { metrics, value } = recordMetrics();
    const told = Promise.withResolvers<unknown>();
    const log = { ...silentLog, error: (fields: object) => told.resolve(fields) };
    const tls = await openTlsFiles(files, { log, metrics, name: "test", lookMs: 20 });
    const standing = openWith(tls);
    const [before] = await whoAmI(standing);
    const endShown = value("certificate_expires_timestamp_seconds", "test");
    const sentence = `tls.cert: ${files.cert} expired on ${new Date(endsAtMs).toISOString()}`;

    expect(await told.promise).toEqual({ server: "test", reason: sentence });
    const refused = await failureOf(openWith(tls));
    const [after] = await whoAmI(standing);
    const renewed = Promise.withResolvers<void>();
    tls.onRenewed(() => renewed.resolve());
    await authority.issue({ name: "ending", days: 20 });
    await renewed.promise;

    expect(endShown).toBe(endsAtMs / 1_000);
    expect(refused).toContain(sentence);
    expect(after).toEqual(before);
    expect(await failureOf(openWith(tls))).toBe("it connected");
    const daysLeft =
      (value("certificate_expires_timestamp_seconds", "test") - Date.now() / 1_000) / 86_400;
    expect(daysLeft).toBeWithin(19.9, 20.1);
    await standing.close();
    tls.close();
  });

  test("whose certificate ends is spoken to on; new connections name it and its end", async () => {
    const endsAtMs = inSeconds(3);
    const brief = await authority.issue({ name: "brief", hosts: ["localhost"], endsAtMs });
    const files = { ca: authority.ca, ...own };
    const tls = await openTlsFiles(files, { log: silentLog, name: "test" });
    await serve(brief);
    try {
      const standing = openWith(tls);
      const [before] = await whoAmI(standing);
      await untilTrue("it has ended", 10_000, () => Date.now() > endsAtMs);

      const refused = await failureOf(openWith(tls));
      const [after] = await whoAmI(standing);

      const end = new Date(endsAtMs).toISOString();
      expect(refused).toContain(`the server's certificate (CN=brief) expired on ${end}`);
      expect(after).toEqual(before);
      await standing.close();
    } finally {
      await serve(await authority.issue({ name: "server", hosts: ["localhost"] }));
    }
    expect(await failureOf(openWith(tls))).toBe("it connected");
    tls.close();
  });
});

/** So long from now, to the second, which certificates count in. */
const inSeconds = (seconds: number): number => Math.ceil(Date.now() / 1_000 + seconds) * 1_000;
