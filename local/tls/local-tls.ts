import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Static, Type as t } from "@sinclair/typebox";

import type { CallerTls } from "../../adapters/process/direct.ts";
import type { Role } from "../roles.ts";
import { makeAuthority } from "./authority.ts";

const CertificateSchema = t.Object({ cert: t.String(), key: t.String() });

/** Files of an authority of our own, and what it issued to all that listens and to all that calls. */
export const LocalTlsSchema = t.Object({
  ca: t.String(),
  server: CertificateSchema,
  client: CertificateSchema,
});
export type LocalTls = Static<typeof LocalTlsSchema>;

const HOSTS = ["localhost", "127.0.0.1", "::1"];
const RENEW_BEFORE_MS = 30 * 86_400_000;

/** Where they are in a folder. */
export const localTlsIn = (folder: string): LocalTls => ({
  ca: join(folder, "ca.pem"),
  server: { cert: join(folder, "server.pem"), key: join(folder, "server.key") },
  client: { cert: join(folder, "client.pem"), key: join(folder, "client.key") },
});

/**
 * Those of a folder; makes them if they are not there or end within 30 days.
 *
 * @throws {CommandFailure} when there is no openssl, or it fails
 */
export async function provideLocalTls(folder: string): Promise<LocalTls> {
  const files = localTlsIn(folder);
  if (lastsLong(files.ca) && [files.server, files.client].every(isWhole)) return files;
  const authority = await makeAuthority(folder);
  await authority.issue({ name: "server", hosts: HOSTS });
  await authority.issue({ name: "client" });
  return files;
}

function isWhole({ cert, key }: LocalTls["server"]): boolean {
  if (!lastsLong(cert) || !existsSync(key)) return false;
  return new X509Certificate(readFileSync(cert)).checkPrivateKey(
    createPrivateKey(readFileSync(key)),
  );
}

function lastsLong(certificate: string): boolean {
  if (!existsSync(certificate)) return false;
  const { validTo } = new X509Certificate(readFileSync(certificate));
  return Date.parse(validTo) - Date.now() > RENEW_BEFORE_MS;
}

/** What a caller shows, and whom it believes. */
export const callerFiles = ({ ca, client }: LocalTls): NonNullable<CallerTls> => ({
  ca,
  ...client,
});

/**
 * What a process of a role needs to listen encrypted. Who calls the API has a key; who calls the simulator or
 * reads metrics shows a certificate.
 */
export function listenerEnvironment(role: Role, { ca, server }: LocalTls): Record<string, string> {
  const { cert, key } = server;
  if (role === "simulator")
    return { ML_SIM_TLS_CERT: cert, ML_SIM_TLS_KEY: key, ML_SIM_TLS_CA: ca };
  return {
    ...(role === "gateway" && {
      TOLLGATE_GATEWAY__TLS__CERT: cert,
      TOLLGATE_GATEWAY__TLS__KEY: key,
    }),
    TOLLGATE_METRICS__TLS__CERT: cert,
    TOLLGATE_METRICS__TLS__KEY: key,
    TOLLGATE_METRICS__TLS__CA: ca,
  };
}
