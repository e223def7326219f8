import { readFileSync } from "node:fs";
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { PeerCertificate } from "node:tls";

import type { TlsConfig } from "../../core/config/tls-schema.ts";
import type { Metrics } from "../../core/metrics.ts";
import type { Log } from "../../runtime/log.ts";

/** What a connection needs, as Node's and Bun's TLS take it. */
export interface TlsMaterial {
  ca?: string;
  cert?: string;
  key?: string;
  minVersion: "TLSv1.2";
}

/** The certificates of one client or server, read again when their files change. */
export interface TlsFiles {
  /** For the next connection; those that stand go on with what they have. */
  current: () => TlsMaterial;
  /** The earliest end of a certificate of ours or of an authority, Unix milliseconds; null: there is none. */
  expiresAtMs: () => number | null;
  /** Remembers the certificate that the server has shown. */
  noteServer: (certificate: PeerCertificate) => void;
  /** An error of a connection, with the certificate before it whose end it is due to, if that is so. */
  explain: (error: unknown) => unknown;
  /** Called with each renewal. Returns how to stop listening. */
  onRenewed: (listener: (material: TlsMaterial) => void) => () => void;
  close: () => void;
}

/** What a connection asks of them. */
export type ClientTls = Pick<TlsFiles, "current" | "noteServer">;

/** For a client that has no others: those of its URL, read for each connection; undefined: it names none. */
export function filesOfUrl(named: NonNullable<TlsConfig>): ClientTls | undefined {
  if (Object.keys(named).length === 0) return undefined;
  return {
    current: () => ({
      minVersion: "TLSv1.2",
      ...Object.fromEntries(
        Object.entries(named).map(([name, path]) => [name, readFileSync(path, "utf8")]),
      ),
    }),
    noteServer: () => {},
  };
}

/** @throws {Error} naming the file, as `openTlsFiles` */
export async function checkTlsFiles(files: NonNullable<TlsConfig>): Promise<void> {
  await readMaterial(files);
}

/** Who reads certificates, and for which server; the metric tells when the first of them ends. */
export interface TlsContext {
  log: Log;
  metrics?: Pick<Metrics, "certificate_expires_timestamp_seconds">;
}

/** Kubernetes brings a renewed secret within a minute; looking costs three small reads. */
const LOOK_MS = 5_000;

type Named = "ca" | "cert" | "key";
const NAMES: readonly Named[] = ["ca", "cert", "key"];

/**
 * Reads the files and goes on looking at them. A renewal that does not fit together is reported and left
 * alone: its files may be written one after the other.
 *
 * @throws {Error} naming the file, when one cannot be read, is no PEM, or key and certificate do not fit
 */
export async function openTlsFiles(
  files: NonNullable<TlsConfig>,
  { log, metrics, name, lookMs = LOOK_MS }: TlsContext & { name: string; lookMs?: number },
): Promise<TlsFiles> {
  const listeners = new Set<(material: TlsMaterial) => void>();
  let material = await readMaterial(files);
  showExpiry();
  let refused = "";
  let said: string | null = null;
  let ofServer: Ending | null = null;

  function showExpiry(): void {
    const atMs = expiryOf(material);
    if (atMs !== null) metrics?.certificate_expires_timestamp_seconds.set(atMs / 1_000, name);
  }

  const expiredOf = (endings: readonly Ending[]): string | null =>
    endings.map(expiredNow).find((one) => one !== null) ?? null;

  /** Once for each certificate of ours, whether or not anybody connects. */
  function tellExpired(): void {
    const expired = expiredOf(endingsOf(material, files));
    if (expired !== null && expired !== said)
      log.error({ server: name, reason: expired }, "no new connection can be made");
    said = expired;
  }

  async function look(): Promise<void> {
    await renew();
    tellExpired();
  }

  async function renew(): Promise<void> {
    try {
      const next = await readMaterial(files);
      refused = "";
      if (digestOf(next) === digestOf(material)) return;
      material = next;
      showExpiry();
      log.info({ server: name }, "certificates were renewed");
      for (const listen of listeners) listen(material);
    } catch (error) {
      const problem = String(error);
      if (problem !== refused)
        log.error({ server: name, error: problem }, "certificates are not renewed");
      refused = problem;
    }
  }
  const looking = setInterval(() => void look(), lookMs);
  looking.unref();
  tellExpired();

  return {
    current: () => material,
    expiresAtMs: () => expiryOf(material),
    noteServer: ({ subject, valid_to: until }) => {
      const whose = `the server's certificate (CN=${String(subject?.CN)})`;
      ofServer = { name: whose, atMs: Date.parse(until) };
    },
    explain: (error) => {
      const endings = endingsOf(material, files);
      const expired = expiredOf(ofServer === null ? endings : [...endings, ofServer]);
      return expired === null ? error : new Error(expired, { cause: error });
    },
    onRenewed: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => clearInterval(looking),
  };
}

async function readMaterial(files: NonNullable<TlsConfig>): Promise<TlsMaterial> {
  if ((files.cert === undefined) !== (files.key === undefined))
    throw new Error("tls: `cert` and `key` go together");
  const material: TlsMaterial = { minVersion: "TLSv1.2" };
  for (const name of NAMES) {
    const path = files[name];
    if (path === undefined) continue;
    material[name] = await readFile(path, "utf8").catch((error: unknown) => {
      throw new Error(`tls.${name}: cannot read ${path}: ${(error as { code?: string }).code}`);
    });
  }
  for (const name of ["ca", "cert"] as const)
    if (material[name] !== undefined && certificatesOf(material[name], `tls.${name}`).length === 0)
      throw new Error(`tls.${name}: ${files[name]} has no certificate`);
  checkPair(material, files);
  return material;
}

function checkPair({ cert, key }: TlsMaterial, files: NonNullable<TlsConfig>): void {
  if (cert === undefined || key === undefined) return;
  let fits: boolean;
  try {
    const [own] = certificatesOf(cert, "tls.cert");
    fits = own?.checkPrivateKey(createPrivateKey(key)) === true;
  } catch {
    throw new Error(`tls.key: ${files.key} is no private key, or needs a password`);
  }
  if (!fits) throw new Error(`tls.key: ${files.key} is not the key of ${files.cert}`);
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function certificatesOf(pem: string, name: string): X509Certificate[] {
  try {
    return (pem.match(PEM) ?? []).map((one) => new X509Certificate(one));
  } catch (error) {
    throw new Error(`${name}: a certificate cannot be read`, { cause: error });
  }
}

/** A certificate and when it ends, Unix milliseconds. */
interface Ending {
  name: string;
  atMs: number;
}

/** Of our own certificate and of the authorities. */
function endingsOf(material: TlsMaterial, files: NonNullable<TlsConfig>): Ending[] {
  return (["cert", "ca"] as const).flatMap((kind) =>
    certificatesOf(material[kind] ?? "", `tls.${kind}`).map(({ validTo }) => ({
      name: `tls.${kind}: ${files[kind]}`,
      atMs: Date.parse(validTo),
    })),
  );
}

function expiredNow({ name, atMs }: Ending): string | null {
  return atMs < Date.now() ? `${name} expired on ${new Date(atMs).toISOString()}` : null;
}

/** Whichever ends first ends the connections. */
function expiryOf(material: TlsMaterial): number | null {
  const ends = endingsOf(material, {}).map(({ atMs }) => atMs);
  return ends.length === 0 ? null : Math.min(...ends);
}

const digestOf = (material: TlsMaterial): string =>
  createHash("sha256")
    .update(NAMES.map((name) => material[name] ?? "").join("\0"))
    .digest("hex");
