import { parameterText } from "./redis-url.ts";
import { isThisMachine } from "./this-machine.ts";

/** One server. A host that begins with a slash is a folder of sockets. */
export interface PostgresHost {
  host: string;
  port: number;
}

/** Where PostgreSQL is and how to log in, as a connection URL of libpq says it. */
export interface PostgresAddress {
  /** Of several the one that takes writes is meant. */
  hosts: readonly PostgresHost[];
  database: string | null;
  user: string | null;
  password: string | null;
  /** null: the URL does not say. */
  sslMode: "disable" | "verify-ca" | "verify-full" | null;
  /** Files of certificates. */
  tls: { ca?: string; cert?: string; key?: string };
  applicationName: string | null;
  connectTimeoutSeconds: number | null;
  /** Startup options of the server, such as `-c search_path=x`. */
  serverOptions: string | null;
}

const PORT = 5432;
const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/** Parameters that change nothing here, by the values with which that is so; null: any. */
const WITHOUT_EFFECT: Readonly<Record<string, readonly string[] | null>> = {
  // The client cannot bind a password to a channel: the server's certificate is checked instead.
  channel_binding: null,
  gssencmode: ["disable", "prefer"],
  load_balance_hosts: ["disable"],
  sslnegotiation: ["postgres"],
  // Tollgate writes: of several servers only one that takes writes will do.
  target_session_attrs: ["read-write", "primary", "any"],
  keepalives: ["1"],
};

/**
 * Reads `postgres://user:password@host:port,host:port/database?parameters` by libpq's rules, but for TLS:
 * whatever asks for it means a checked certificate, and what is on no other machine needs none.
 *
 * @throws {Error} naming what is wrong, never the URL, which has the password
 */
export function readPostgresUrl(url: string): PostgresAddress {
  const parts = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  if (parts === null)
    throw new Error("is not of the form postgres://user:password@host:port/database");
  const [, login = "", authority = "", path = "", query = ""] = parts;
  const given = parametersOf(query);
  const take = (name: string): string | null => {
    const value = given.get(name) ?? null;
    given.delete(name);
    return value;
  };

  if (authority.includes("@") || path.includes("@"))
    throw new Error(
      "has an @ behind that of its login; write @ and / of a password as %40 and %2F",
    );
  const hosts = hostsOf(take("host") ?? decode(authority, "host"), take("port"), authority);
  const [user, password] = splitOnce(login, ":");
  const address: PostgresAddress = {
    hosts,
    user: take("user") ?? textOrNull(user, "user"),
    password: take("password") ?? textOrNull(password, "password"),
    database: take("dbname") ?? textOrNull(path, "database"),
    sslMode: sslModeOf(take("sslmode"), hosts),
    tls: {},
    applicationName: take("application_name"),
    connectTimeoutSeconds: secondsOf(take("connect_timeout")),
    serverOptions: take("options"),
  };
  const authorities = take("sslrootcert");
  // `system`: those that the machine trusts, which is what is taken where none are named.
  if (authorities !== null && authorities !== "system") address.tls.ca = authorities;
  const [cert, key] = [take("sslcert"), take("sslkey")];
  if (cert !== null) address.tls.cert = cert;
  if (key !== null) address.tls.key = key;
  for (const [name, value] of given) checkWithoutEffect(name, value);
  return address;
}

/** The URL of another database on the same server. */
export const withDatabase = (url: string, name: string): string =>
  // Several hosts make no URL by the standard.
  url.replace(/^([a-z]+:\/\/[^/?]*)(?:\/[^?]*)?/, (_all, server) => `${server}/${name}`);

function parametersOf(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const [name, value = ""] = splitOnce(pair, "=");
    parameters.set(decode(name, "a parameter"), decode(value, name));
  }
  return parameters;
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)];
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(`has a % in ${what} that begins no character; write %25 for the sign itself`);
  }
}

function textOrNull(text: string | undefined, what: string): string | null {
  return text === undefined || text === "" ? null : decode(text, what);
}

/** `host`: all of them, decoded. A parameter `port` is for all, or one for each. */
function hostsOf(hosts: string, ports: string | null, authority: string): PostgresAddress["hosts"] {
  // A folder of sockets is written with %2F in the place of a host.
  const isFolder = hosts.startsWith("/");
  const named = (isFolder ? [hosts] : hosts.split(",")).map((one) => hostAndPort(one, isFolder));
  const given = ports?.split(",") ?? [];
  if (given.length > 1 && given.length !== named.length)
    throw new Error(`names ${named.length} hosts and ${given.length} ports`);
  if (authority === "" && hosts === "" && given.length === 0)
    return [{ host: "localhost", port: PORT }];
  return named.map(({ host, port }, index) => ({
    host: host === "" ? "localhost" : host,
    port: portOf(given[index] ?? given[0] ?? port),
  }));
}

function hostAndPort(text: string, isFolder: boolean): { host: string; port: string } {
  if (isFolder) return { host: text, port: "" };
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(text);
  if (parts === null)
    throw new Error("has a host that cannot be read; an IPv6 address stands in brackets: [::1]");
  const [, address, plain = "", port = ""] = parts;
  return { host: address ?? plain, port };
}

function portOf(text: string): number {
  if (text === "") return PORT;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error("has a port that is no number from 1 to 65535");
  return port;
}

function secondsOf(text: string | null): number | null {
  if (text === null) return null;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1)
    throw new Error("has a connect_timeout that is no number of seconds");
  return seconds;
}

function sslModeOf(
  given: string | null,
  hosts: PostgresAddress["hosts"],
): PostgresAddress["sslMode"] {
  const isHere = hosts.every(({ host }) => isThisMachine(host));
  if (given === null) return null;
  if (!SSL_MODES.includes(given))
    throw new Error(`has an sslmode that is not known; known are ${SSL_MODES.join(", ")}`);
  if (given === "disable" || given === "verify-ca") return given;
  // What libpq may send in plain text goes encrypted or not at all, but on this machine.
  if (given === "allow" || given === "prefer") return isHere ? "disable" : "verify-full";
  return "verify-full";
}

function checkWithoutEffect(name: string, value: string): void {
  const values = Object.hasOwn(WITHOUT_EFFECT, name) ? WITHOUT_EFFECT[name] : undefined;
  if (values === undefined) throw new Error(`has ${parameterText(name)}, which is not known here`);
  if (values !== null && !values.includes(value))
    throw new Error(`has ${name}=${value}, which cannot be done; leave it out`);
}
