import {
  type PostgresAddress,
  type PostgresHost,
  readPostgresUrl,
} from "../../core/config/postgres-url.ts";
import { DIRECT } from "../../adapters/process/direct.ts";
import { accessSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import {
  type Launch,
  type LocalProgram,
  type LocalSettings,
  requirePort,
} from "../servers/local-server.ts";

/** What the dashboards read. */
export interface GrafanaSources {
  prometheus: string;
  /** The URL of a role that may read and no more; undefined: none is known. */
  postgres: string | undefined;
}

interface GrafanaProgram {
  program: string;
  /** Where its pages and defaults are. */
  home: string;
}

export const DASHBOARDS = join(PROJECT_ROOT, "k8s", "base", "monitoring", "dashboards");
/** The name by which the dashboards ask for it. */
const POSTGRES = "PostgreSQL";
const PACKAGED_HOME = "/usr/share/grafana";

const isHome = (folder: string): boolean => {
  try {
    accessSync(join(folder, "conf", "defaults.ini"));
    return true;
  } catch {
    return false;
  }
};

/** Grafana on the PATH, with its home; null when it is not installed. Debian has no package of it. */
export function findGrafana(searchPath: string): GrafanaProgram | null {
  const program = Bun.which("grafana-server", { PATH: `${searchPath}:/usr/sbin` });
  if (program === null) return null;
  // An unpacked archive has it in home/bin, a package far from its home.
  const homes = [dirname(dirname(realpathSync(program))), PACKAGED_HOME];
  const home = homes.find(isHome);
  return home === undefined ? null : { program, home };
}

/**
 * A private Grafana with the dashboards of k8s/base/monitoring, which everybody on this machine may look at.
 */
export function localGrafana(sources: GrafanaSources): LocalProgram<"grafana", GrafanaProgram> {
  return {
    name: "grafana",
    title: "Grafana",
    portNames: ["grafana"],
    prepare: async (settings, program) => [prepare(sources, settings, program)],
    url: ({ ports }) => `http://127.0.0.1:${requirePort(ports, "grafana")}`,
    ping: async (url, limitMs) => {
      const reply = await fetch(`${url}/api/health`, {
        ...DIRECT,
        signal: AbortSignal.timeout(limitMs),
      });
      await reply.body?.cancel();
      if (!reply.ok) throw new CommandFailure(`it answers ${reply.status}`);
    },
    stopSignal: "SIGTERM",
  };
}

function prepare(
  sources: GrafanaSources,
  { folder, ports, password }: LocalSettings,
  { program, home }: GrafanaProgram,
): Launch {
  const provisioning = join(folder, "provisioning");
  for (const name of ["datasources", "dashboards", "plugins", "alerting"])
    mkdirSync(join(provisioning, name), { recursive: true, mode: 0o700 });
  // The data source's password is in it.
  const write = (name: string, content: unknown): void =>
    writeFileSync(join(provisioning, name), JSON.stringify(content, null, 2), { mode: 0o600 });
  write("datasources/tollgate.yaml", grafanaDatasources(sources));
  write("dashboards/tollgate.yaml", {
    apiVersion: 1,
    providers: [{ name: "tollgate", type: "file", options: { path: DASHBOARDS } }],
  });
  return {
    name: "grafana",
    command: [program, `--homepath=${home}`],
    env: {
      PATH: process.env["PATH"],
      TZ: "UTC",
      GF_SERVER_HTTP_ADDR: "127.0.0.1",
      GF_SERVER_HTTP_PORT: String(requirePort(ports, "grafana")),
      GF_PATHS_DATA: join(folder, "data"),
      GF_PATHS_LOGS: join(folder, "log"),
      GF_PATHS_PLUGINS: join(folder, "plugins"),
      GF_PATHS_PROVISIONING: provisioning,
      GF_LOG_MODE: "console",
      GF_AUTH_ANONYMOUS_ENABLED: "true",
      GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
      GF_SECURITY_ADMIN_PASSWORD: password,
      GF_ANALYTICS_REPORTING_ENABLED: "false",
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
      GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: "false",
    },
  };
}

/** The data sources as Grafana's provisioning reads them. */
export function grafanaDatasources({ prometheus, postgres }: GrafanaSources): {
  apiVersion: 1;
  deleteDatasources: object[];
  datasources: object[];
} {
  return {
    apiVersion: 1,
    // An earlier start may have known one.
    deleteDatasources: postgres === undefined ? [{ name: POSTGRES, orgId: 1 }] : [],
    datasources: [
      {
        name: "Prometheus",
        type: "prometheus",
        access: "proxy",
        url: prometheus,
        isDefault: true,
        jsonData: { timeInterval: "5s" },
      },
      ...(postgres === undefined ? [] : [postgresSource(postgres)]),
    ],
  };
}

function postgresSource(postgres: string): object {
  const { hosts, user, password, database, sslMode, tls } = readPostgresUrl(postgres);
  const [first] = hosts;
  return {
    name: POSTGRES,
    type: "grafana-postgresql-datasource",
    access: "proxy",
    // It knows one server, and may read a standby.
    url: first === undefined ? "" : hostText(first),
    user,
    secureJsonData: { password },
    jsonData: { database, sslmode: sslMode ?? "disable", ...certificateFiles(tls) },
  };
}

const hostText = ({ host, port }: PostgresHost): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

function certificateFiles({ ca, cert, key }: PostgresAddress["tls"]): Record<string, string> {
  if (ca === undefined && cert === undefined) return {};
  return {
    tlsConfigurationMethod: "file-path",
    ...(ca !== undefined && { sslRootCertFile: ca }),
    ...(cert !== undefined && { sslCertFile: cert }),
    ...(key !== undefined && { sslKeyFile: key }),
  };
}
