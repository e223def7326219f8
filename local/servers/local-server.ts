import { type Static, Type as t } from "@sinclair/typebox";

import { ProcessIdentitySchema } from "../processes/process-identity.ts";
import { type LocalTls, LocalTlsSchema } from "../tls/local-tls.ts";
import type { ServerBinaries, ServerName } from "./binaries.ts";

/** What is remembered of a private server between two commands. */
export const LocalStateSchema = t.Object({
  /** Chosen at the first start and kept while nobody else takes them. */
  ports: t.Record(t.String(), t.Integer({ minimum: 1, maximum: 65_535 })),
  password: t.String({ minLength: 1 }),
  /** In the order they were started. */
  processes: t.Array(
    t.Object({
      name: t.String(),
      identity: ProcessIdentitySchema,
      started_at: t.String(),
    }),
  ),
  /** Absent: plain text. */
  tls: t.Optional(LocalTlsSchema),
});
export type LocalState = Static<typeof LocalStateSchema>;

/** What a server may use: a folder of its own, ports of its own, a password that nobody else knows. */
export interface LocalSettings {
  folder: string;
  ports: Readonly<Record<string, number>>;
  password: string;
  /** With it, it takes encrypted connections only, of clients with a certificate of that authority. */
  tls?: LocalTls;
}

export interface Launch {
  name: string;
  command: readonly string[];
  env: Record<string, string | undefined>;
  /** The port it must listen on before the next process is started. */
  listensOn?: number;
}

/** A private server as everybody but its starter needs to know it. */
export interface LocalService<Name extends string = string> {
  name: Name;
  title: string;
  /** The ports it needs; the first is the one that clients connect to. */
  portNames: readonly [string, ...string[]];
  /** With TLS it names the certificates of a client too. */
  url: (settings: Pick<LocalSettings, "ports" | "password" | "tls">) => string;
  /** A round trip of a real client. @throws when it fails */
  ping: (url: string, limitMs: number) => Promise<void>;
  /** Ends it in order but without waiting for clients to leave. */
  stopSignal: NodeJS.Signals;
}

/** How a server is run on this machine from its programs. Listens on loopback only. */
export interface LocalProgram<Name extends string, Binaries> extends LocalService<Name> {
  /**
   * Writes the configuration, makes the data folder if need be, and tells the processes to start, in order.
   */
  prepare: (settings: LocalSettings, binaries: Binaries) => Promise<Launch[]>;
}

/** The same for one of the three that everything needs. */
export type LocalServer<Name extends ServerName> = LocalProgram<Name, ServerBinaries[Name]>;

/** The configuration file of this folder for a server. */
export function readServerConfig(name: string): Promise<string> {
  return Bun.file(`${import.meta.dir}/config/${name}`).text();
}

/** A URL of loopback; the parameters name files. */
export function localUrl(
  scheme: string,
  { user = "", password }: { user?: string; password: string },
  { port, path, files = {} }: { port: number; path: string; files?: Record<string, string> },
): string {
  const url = new URL(`${scheme}://${user}:${password}@127.0.0.1:${port}${path}`);
  for (const [name, file] of Object.entries(files)) url.searchParams.set(name, file);
  return url.href;
}

export function requirePort(ports: LocalSettings["ports"], name: string): number {
  const port = ports[name];
  if (port === undefined) throw new Error(`no port is set for ${name}`);
  return port;
}
