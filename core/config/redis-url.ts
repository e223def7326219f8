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
  const tls: NonNullable<TlsConfig> = {};
  for (const [name, value] of url.searchParams) {
    if (!(name in FILES))
      throw new Error(
        `has the parameter ${name}, which is not known here; ${Object.keys(FILES).join(", ")} are, ` +
          "and the database is its path: /0",
      );
    tls[FILES[name as keyof typeof FILES]] = value;
  }
  url.search = "";
  return { url: url.href, tls };
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
