import type { TlsConfig } from "./tls-schema.ts";

/** Where Redis is, and the certificates that its URL names. */
export interface RedisAddress {
  /** Without parameters; the client would take them for options of its own. */
  url: string;
  tls: NonNullable<TlsConfig>;
}

/** As redis-py calls them. */
const FILES = { ssl_ca_certs: "ca", ssl_certfile: "cert", ssl_keyfile: "key" } as const;

/** @throws {Error} naming what is wrong, never the URL, which has the password */
export function readRedisUrl(text: string): RedisAddress {
  const url = URL.parse(text);
  if (url === null || !isDecodable(url.username + url.password))
    throw new Error("must be a URL; write special characters of its user name and password as %XX");
  if (!/^\/?\d{0,5}$/.test(url.pathname))
    throw new Error("must name its database by a number, such as /0");
  const tls: NonNullable<TlsConfig> = {};
  for (const [name, value] of url.searchParams) {
    if (!Object.hasOwn(FILES, name))
      throw new Error(
        `has ${parameterText(name)}, which is not known here; ${Object.keys(FILES).join(", ")} are, ` +
          "and the database is its path: /0",
      );
    tls[FILES[name as keyof typeof FILES]] = value;
  }
  url.search = "";
  return { url: url.href, tls };
}

/** A name as it may be shown: a badly written password may look like one. */
export const parameterText = (name: string): string =>
  /^[a-z_]{1,40}$/i.test(name) ? `the parameter ${name}` : "a parameter";

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
