import { type Static, Type as t } from "@sinclair/typebox";

import { closed, count, ms } from "./fields.ts";
import { type PostgresAddress, readPostgresUrl } from "./postgres-url.ts";
import { isThisMachine } from "./this-machine.ts";
import { tls } from "./tls-schema.ts";

const url = (description: string) => t.String({ pattern: "^postgres(ql)?://", description });

export const postgres = t.Object(
  {
    url: url(
      "Also DATABASE_URL. With libpq's parameters; several hosts: the one that takes writes.",
    ),
    direct_url: t.Optional(
      url(
        "Past a pooler in transaction mode such as PgBouncer, for the migrations and the keeper's lock, " +
          "which need a session. Also DATABASE_DIRECT_URL.",
      ),
    ),
    tls,
    pool_max: count(
      8,
      "Connections of one process; a third of them for statements that are planned once.",
    ),
    statement_timeout_ms: ms(10_000, "Longest statement on the server."),
    deadline_ms: ms(
      12_000,
      "Longest wait for a reply; a frozen server never sends one. Keep above statement_timeout_ms.",
    ),
  },
  closed,
);
export type PostgresConfig = Static<typeof postgres>;

/** What is wrong with the section, as far as it can be seen without a server. */
export function postgresProblems(
  { url: pooled, direct_url: direct, tls: files }: PostgresConfig,
  allowsPlaintext: boolean,
): string[] {
  const urls = { url: pooled, ...(direct !== undefined && { direct_url: direct }) };
  return Object.entries(urls).flatMap(([name, text]) => {
    let address: PostgresAddress;
    try {
      address = readPostgresUrl(text);
    } catch (error) {
      return [`postgres.${name}: ${(error as Error).message}`];
    }
    const isEncrypted =
      address.sslMode === null ? files !== undefined : address.sslMode !== "disable";
    if (files !== undefined && !isEncrypted)
      return [`postgres.${name}: has sslmode=disable although postgres.tls is set`];
    if (!isEncrypted && Object.keys(address.tls).length > 0)
      return [`postgres.${name}: names certificates; add sslmode=verify-full`];
    const isRemote = address.hosts.some(({ host }) => !isThisMachine(host));
    if (isRemote && !isEncrypted && !allowsPlaintext)
      return [
        `postgres.${name}: leads to another machine in plain text; add sslmode=verify-full, or say ` +
          "allow_plaintext: true",
      ];
    return [];
  });
}
