/** The rules of access of the production overlay, tried on a PostgreSQL. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";

import { connectPostgres } from "../../adapters/postgres/connect.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { openTlsFiles } from "../../adapters/tls/tls-files.ts";
import type { TlsConfig } from "../../core/config/tls-schema.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { type Authority, makeAuthority } from "../../local/tls/authority.ts";
import { silentLog } from "../../runtime/log.ts";
import { preparePostgres } from "../faults/servers/postgres-node.ts";
import { makeServerHome } from "../faults/servers/server-home.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { built } from "./built.ts";
import { podOf, workload } from "./config.ts";
import { type ConfigMap, ofKind, type PostgresCluster } from "./resources.ts";

const START_LIMIT_MS = 60_000;

/** pg_hba.conf as CloudNativePG 1.30 writes it (pkg/postgres/configuration.go), with our rules. */
const accessRules = (ours: readonly string[]): string =>
  [
    "local all all peer",
    "hostssl postgres streaming_replica all cert",
    "hostssl replication streaming_replica all cert",
    ...ours,
    "host all all all scram-sha-256",
    "",
  ].join("\n");

describe.skipIf(built === null || !hasServerPrograms())("PostgreSQL in production", () => {
  const resources = built?.["overlays/production"] ?? [];
  const [cluster] = ofKind<PostgresCluster>(resources, "Cluster");
  const home = makeServerHome();
  let node: Awaited<ReturnType<typeof preparePostgres>>;
  let authority: Authority;
  let admin: postgres.Sql;

  beforeAll(async () => {
    authority = await makeAuthority(join(home.folder, "certificates"));
    const folder = join(home.folder, "node");
    mkdirSync(folder);
    const [port = 0] = await findFreePorts(1);
    node = await preparePostgres({ folder, ports: { postgres: port }, password: newPassword() });
    await node.start();
    // This connection stands before the rules do, and stays.
    admin = postgres(node.url, { max: 1, onnotice: () => {} });
    const [{ hba_file: rules }] = await admin<[{ hba_file: string }]>`show hba_file`;
    writeFileSync(rules, accessRules(cluster?.spec.postgresql.pg_hba ?? []));
    const { cert, key } = await authority.issue({ name: "server", hosts: ["localhost"] });
    const data = join(folder, "data");
    const { uid, gid } = statSync(data);
    const files = { "server.crt": cert, "server.key": key, "root.crt": authority.ca };
    for (const [name, path] of Object.entries(files)) {
      copyFileSync(path, join(data, name));
      chownSync(join(data, name), uid, gid);
    }
    await admin`alter system set ssl_ca_file = 'root.crt'`;
    await admin`alter system set ssl = on`;
    await admin`select pg_reload_conf()`;
  }, START_LIMIT_MS);
  afterAll(async () => {
    await admin?.end({ timeout: 1 });
    await node?.process.kill();
    home.remove();
  });

  /** With the right user and password. Returns `connected`, or the code of the refusal. */
  async function tryToConnect(files: TlsConfig | undefined): Promise<string> {
    const url = new URL(node.url);
    url.hostname = "localhost";
    url.searchParams.set("sslmode", files === undefined ? "disable" : "verify-full");
    const tls = files && (await openTlsFiles(files, { log: silentLog, name: "test" }));
    const database = connectPostgres({
      url: url.toString(),
      ...(tls && { tls }),
      poolMax: 1,
      statementTimeoutMs: 2_000,
      deadlineMs: 3_000,
      name: "test",
    });
    try {
      await database.ping();
      return "connected";
    } catch (error) {
      return String(((error as Error).cause as { code?: string })?.code);
    } finally {
      await database.close(0);
      tls?.close();
    }
  }

  test("takes a password only from who shows a certificate of the authority", async () => {
    const { ca } = authority;
    const own = await authority.issue({ name: "tollgate" });
    const others = await makeAuthority(join(home.folder, "others"), "Another");
    const stranger = await others.issue({ name: "tollgate" });

    expect(await tryToConnect({ ca, ...own })).toBe("connected");
    expect(await tryToConnect({ ca })).toBe("28000");
    expect(await tryToConnect({ ca, ...stranger })).not.toBe("connected");
  });

  test("is migrated by the job, with the configuration and the certificate of the overlay", async () => {
    const { cert, key } = await authority.issue({ name: "job" });
    const files = { "ca.crt": authority.ca, "tls.crt": cert, "tls.key": key };
    const mounted = join(home.folder, "client");
    for (const [name, path] of Object.entries(files))
      await Bun.write(join(mounted, name), Bun.file(path));
    const config = ofKind<ConfigMap>(resources, "ConfigMap").find(
      ({ data }) => data?.["tollgate.yaml"] !== undefined,
    );
    const path = join(home.folder, "tollgate.yaml");
    const text = config?.data?.["tollgate.yaml"] ?? "";
    await Bun.write(path, text.replaceAll("/etc/tollgate-client", mounted));
    const url = new URL(node.url);
    url.hostname = "localhost";
    url.searchParams.set("sslmode", "verify-full");
    const [job] = podOf(workload(resources, "migrate")).containers;
    const env = { PATH: process.env["PATH"], TOLLGATE_CONFIG: path, DATABASE_URL: url.toString() };

    const run = Bun.spawn([process.execPath, ...(job?.args ?? []), "--json"], {
      cwd: PROJECT_ROOT,
      env,
      stdout: "pipe",
      stderr: "inherit",
    });

    expect(await new Response(run.stdout).text()).toContain('"applied":["0001');
    expect(await run.exited).toBe(0);
  });

  test("refuses plain text, with the right password too", async () => {
    expect(await tryToConnect(undefined)).toBe("28000");
  });
});
