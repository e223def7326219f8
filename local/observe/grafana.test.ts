import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { DASHBOARDS, findGrafana, grafanaDatasources, localGrafana } from "./grafana.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-grafana-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SOURCES = {
  prometheus: "http://127.0.0.1:29090",
  postgres: "postgres://tollgate:a%2Fb@127.0.0.1:25432/tollgate",
};

/** Grafana's archive as far as it is looked at: bin/grafana-server and conf/defaults.ini. */
function unpackArchive(): string {
  const home = join(folder, "grafana-12.1.1");
  mkdirSync(join(home, "bin"), { recursive: true });
  mkdirSync(join(home, "conf"));
  writeFileSync(join(home, "bin", "grafana-server"), "#!/bin/sh\n");
  chmodSync(join(home, "bin", "grafana-server"), 0o755);
  writeFileSync(join(home, "conf", "defaults.ini"), "");
  return home;
}

test("an unpacked archive is found with its home", () => {
  const home = unpackArchive();

  expect(findGrafana(join(home, "bin"))).toEqual({
    program: join(home, "bin", "grafana-server"),
    home,
  });
});

test("it listens on loopback only, keeps to its folder, finds dashboards and sources there", async () => {
  const settings = { folder: join(folder, "state"), ports: { grafana: 23000 }, password: "secret" };
  const program = { program: "/opt/grafana/bin/grafana-server", home: "/opt/grafana" };

  const [launch] = await localGrafana(SOURCES).prepare(settings, program);

  const provisioning = launch?.env["GF_PATHS_PROVISIONING"] ?? "";
  const sources = join(provisioning, "datasources", "tollgate.yaml");
  const dashboards: unknown = await Bun.file(
    join(provisioning, "dashboards", "tollgate.yaml"),
  ).json();
  expect(launch?.command).toEqual([program.program, "--homepath=/opt/grafana"]);
  expect(launch?.env["GF_SERVER_HTTP_ADDR"]).toBe("127.0.0.1");
  expect(launch?.env["GF_PATHS_DATA"]?.startsWith(settings.folder)).toBe(true);
  expect(await Bun.file(sources).json()).toEqual(grafanaDatasources(SOURCES));
  expect(dashboards).toMatchObject({ providers: [{ options: { path: DASHBOARDS } }] });
  expect(statSync(sources).mode & 0o077).toBe(0);
});

test("the sources are those of the Compose file, at other addresses", async () => {
  const path = join(PROJECT_ROOT, "docker", "grafana", "datasources.yaml");
  const compose = Bun.YAML.parse(await Bun.file(path).text()) as { datasources: object[] };

  const { datasources } = grafanaDatasources(SOURCES);

  const identify = (source: object): unknown[] => [
    "name" in source && source.name,
    "type" in source && source.type,
    "isDefault" in source && source.isDefault,
  ];
  expect(datasources.map(identify)).toEqual(compose.datasources.map(identify));
  expect(datasources[1]).toMatchObject({
    url: "127.0.0.1:25432",
    user: "tollgate",
    secureJsonData: { password: "a/b" },
    jsonData: { database: "tollgate" },
  });
});

test("without a role for it PostgreSQL is no source, and one of an earlier start is forgotten", () => {
  const { datasources, deleteDatasources } = grafanaDatasources({
    ...SOURCES,
    postgres: undefined,
  });

  expect(datasources).toMatchObject([{ name: "Prometheus" }]);
  expect(deleteDatasources).toEqual([{ name: "PostgreSQL", orgId: 1 }]);
});

test("nobody is its administrator without a password, here nor in the Compose file", async () => {
  const settings = { folder: join(folder, "roles"), ports: { grafana: 23000 }, password: "secret" };
  const [launch] = await localGrafana(SOURCES).prepare(settings, { program: "/g", home: "/h" });
  const path = join(PROJECT_ROOT, "docker", "compose.yaml");
  const compose = Bun.YAML.parse(await Bun.file(path).text()) as {
    services: { grafana: { environment: Record<string, string> } };
  };

  expect(launch?.env).toMatchObject({
    GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
    GF_SECURITY_ADMIN_PASSWORD: "secret",
  });
  expect(compose.services.grafana.environment).toMatchObject({
    GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
    GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: "true",
  });
});

test("an encrypted PostgreSQL of several is read from the first, with its certificates", () => {
  const files = "sslmode=verify-full&sslrootcert=/c/ca.pem&sslcert=/c/own.pem&sslkey=/c/own.key";
  const postgres = `postgres://u:p@one:5433,two/tollgate?${files}`;

  const { datasources } = grafanaDatasources({ ...SOURCES, postgres });

  expect(datasources[1]).toMatchObject({
    url: "one:5433",
    jsonData: {
      database: "tollgate",
      sslmode: "verify-full",
      tlsConfigurationMethod: "file-path",
      sslRootCertFile: "/c/ca.pem",
      sslCertFile: "/c/own.pem",
      sslKeyFile: "/c/own.key",
    },
  });
});
