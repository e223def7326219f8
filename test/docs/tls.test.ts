/** What docs/configuration.md says of encryption, against what the configuration takes. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { ConfigError, parseConfig } from "../../core/config/parse.ts";
import { configurationTable } from "./tables.ts";
import { ROOT } from "./pages.ts";

const page = await Bun.file(join(ROOT, "docs/configuration.md")).text();
const [, section = ""] = page.split("## Servers and TLS");
const rows = (section.split("\n## ")[0] ?? "")
  .split("\n")
  .filter((line) => /^\| (?!to |---)/.test(line))
  .map((line) => line.slice(2, -2).split(" | "));

const shipped = Bun.YAML.parse(await Bun.file(join(ROOT, "tollgate.yaml")).text()) as object;
const model = { protocol: "openai-chat" };

/** For each server of the table a section that leads to another machine, by the way it is encrypted. */
const SECTIONS: Record<string, (how: string) => object> = {
  PostgreSQL: (how) => ({
    postgres: {
      url: `postgres://db.example.com/tollgate${how === "sslmode=verify-full" ? `?${how}` : ""}`,
      ...(how === "postgres.tls" && { tls: { ca: "/ca.pem" } }),
    },
  }),
  Redis: (how) => ({ redis: { url: `${how || "redis://"}redis.example.com` } }),
  RabbitMQ: (how) => ({ amqp: { url: `${how || "amqp://"}rabbitmq.example.com` } }),
  "an ML service": (how) => ({
    default_model: "chat",
    models: { chat: { ...model, url: `${how || "http://"}ml.example.com/v1/chat/completions` } },
  }),
};

/** What is wrong with the configuration. */
function problemsOf(server: string, how: string, allowsPlaintext = false): readonly string[] {
  const file = {
    ...shipped,
    secrets: { encryption_keys: "k1:AAAA", key_pepper: "p".repeat(32) },
    allow_plaintext: allowsPlaintext,
    ...SECTIONS[server]?.(how),
  };
  try {
    parseConfig(file, {});
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const codeIn = (cell: string): string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

describe("the table of what is encrypted by what", () => {
  test("has every server that SECTIONS has, and no other", () => {
    expect(rows.map(([server]) => server ?? "")).toEqual(Object.keys(SECTIONS));
  });

  test.each(rows)("%s: plain text is refused, but where allow_plaintext is set", (server = "") => {
    expect(problemsOf(server, "")).toEqual([expect.stringContaining("in plain text")]);
    expect(problemsOf(server, "", true)).toEqual([]);
  });

  test.each(rows)("%s: each way that the table names is taken", (server = "", ways = "") => {
    expect(codeIn(ways).length).toBeGreaterThan(0);
    for (const way of codeIn(ways)) expect(problemsOf(server, way)).toEqual([]);
  });

  test("names certificates that the configuration has", () => {
    const keys = configurationTable().replaceAll("<name>", "*");
    const named = rows.flatMap(([, , certificates = ""]) => codeIn(certificates));
    const sections = named.filter((name) => name.includes("."));

    expect(sections.length).toBe(rows.length);
    for (const name of sections)
      for (const file of ["ca", "cert", "key"]) expect(keys).toContain(`\`${name}.${file}\``);
  });
});
