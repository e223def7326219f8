import { describe, expect, test } from "bun:test";

import { type PostgresAddress, readPostgresUrl, withDatabase } from "./postgres-url.ts";

const PLAIN: PostgresAddress = {
  hosts: [{ host: "db.example.com", port: 5432 }],
  database: "app",
  user: "u",
  password: "p",
  sslMode: null,
  tls: {},
  applicationName: null,
  connectTimeoutSeconds: null,
  serverOptions: null,
};
const VERIFIED = { ...PLAIN, sslMode: "verify-full" as const };

function refusalOf(url: string): string {
  try {
    readPostgresUrl(url);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

describe("a URL as people have it", () => {
  const on = (rest: string): string => `postgres://u:p@db.example.com${rest}`;
  test.each([
    ["plain", on("/app"), PLAIN],
    ["postgresql://", "postgresql://u:p@db.example.com/app", PLAIN],
    [
      "of Neon",
      on("/app?sslmode=require&channel_binding=require&options=endpoint%3Dep-1"),
      { ...VERIFIED, serverOptions: "endpoint=ep-1" },
    ],
    [
      "of a managed server with its authority",
      on(":25060/app?sslmode=verify-full&sslrootcert=/etc/ca.pem"),
      {
        ...VERIFIED,
        hosts: [{ host: "db.example.com", port: 25_060 }],
        tls: { ca: "/etc/ca.pem" },
      },
    ],
    [
      "with the authorities of the machine",
      on("/app?sslmode=verify-full&sslrootcert=system"),
      VERIFIED,
    ],
    [
      "with a client's certificate",
      on("/app?sslmode=verify-ca&sslcert=/c.pem&sslkey=/k.pem"),
      { ...PLAIN, sslMode: "verify-ca" as const, tls: { cert: "/c.pem", key: "/k.pem" } },
    ],
    [
      "of several servers",
      "postgres://u:p@a:1,b,[2001:db8::1]:3/app?target_session_attrs=read-write",
      {
        ...PLAIN,
        hosts: [
          { host: "a", port: 1 },
          { host: "b", port: 5432 },
          { host: "2001:db8::1", port: 3 },
        ],
      },
    ],
    [
      "of several servers by parameters",
      "postgres:///app?host=a,b&port=1,2&user=u&password=p",
      {
        ...PLAIN,
        hosts: [
          { host: "a", port: 1 },
          { host: "b", port: 2 },
        ],
      },
    ],
    [
      "of a socket",
      "postgres://u:p@/app?host=/var/run/postgresql",
      { ...PLAIN, hosts: [{ host: "/var/run/postgresql", port: 5432 }] },
    ],
    [
      "of a socket in the place of the host",
      "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/app",
      { ...PLAIN, hosts: [{ host: "/var/run/postgresql", port: 5432 }] },
    ],
    [
      "with any character in user, password and database",
      "postgres://%40u%3A:p%2F%3F%23%25@db.example.com/a%20p",
      { ...PLAIN, user: "@u:", password: "p/?#%", database: "a p" },
    ],
    [
      "with a name and a limit",
      on("/app?application_name=bill%20ing&connect_timeout=10"),
      { ...PLAIN, applicationName: "bill ing", connectTimeoutSeconds: 10 },
    ],
    [
      "of nothing but a database",
      "postgres:///app",
      { ...PLAIN, hosts: [{ host: "localhost", port: 5432 }], user: null, password: null },
    ],
  ])("is read: %s", (_name, url, address) => {
    expect(readPostgresUrl(url)).toEqual(address);
  });

  test.each(["require", "prefer", "allow", "verify-full"])(
    "with sslmode=%s has the certificate of another machine checked",
    (mode) => {
      expect(readPostgresUrl(`postgres://db.example.com/x?sslmode=${mode}`).sslMode).toBe(
        "verify-full",
      );
    },
  );

  test("with sslmode=prefer needs no certificate on this machine", () => {
    for (const host of ["localhost", "127.0.0.1", "[::1]", "%2Frun"])
      expect(readPostgresUrl(`postgres://${host}/x?sslmode=prefer`).sslMode).toBe("disable");
  });
});

test.each([
  ["postgres://h/x?schema=public", "has the parameter schema, which is not known here"],
  ["postgres://h/x?pool_timeout=5", "has the parameter pool_timeout, which is not known here"],
  ["postgres://h/x?sslmode=no", "has an sslmode that is not known"],
  ["postgres://h/x?sslnegotiation=direct", "has sslnegotiation=direct, which cannot be done"],
  ["postgres://h/x?target_session_attrs=standby", "has target_session_attrs=standby"],
  ["postgres://h:99999/x", "has a port that is no number from 1 to 65535"],
  ["postgres://h/x?host=a,b&port=1,2,3", "names 2 hosts and 3 ports"],
  ["postgres://2001:db8::1/x", "an IPv6 address stands in brackets"],
  ["postgres://u:p%@h/x", "has a % in password that begins no character"],
  ["mysql://secret@h/x", "is not of the form postgres://user:password@host:port/database"],
])("what cannot be read is named in one line: %s", (url, message) => {
  expect(refusalOf(url)).toContain(message);
  expect(refusalOf(url)).not.toContain("secret");
});

test.each([
  ["postgres://u:p@a:1,b:2/app?sslmode=disable", "postgres://u:p@a:1,b:2/other?sslmode=disable"],
  ["postgres://u:p@a:1,b:2", "postgres://u:p@a:1,b:2/other"],
  ["postgresql://[::1]:5/?a=b", "postgresql://[::1]:5/other?a=b"],
])("another database of the same servers has the rest of the URL: %s", (url, other) => {
  expect(withDatabase(url, "other")).toBe(other);
});
