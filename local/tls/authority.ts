import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";

/** Files of a certificate and its private key, PEM. */
export interface Certificate {
  cert: string;
  key: string;
}

export interface CertificateWish {
  /** Common name, and the name of the files. */
  name: string;
  /** Host names and IP addresses that it is valid for. */
  hosts?: readonly string[];
  /** How long it is valid from now on; below 0: it has ended already. */
  days?: number;
  /** When it ends instead, Unix milliseconds; to the second. */
  endsAtMs?: number;
}

/** An authority whose certificates one stack trusts, and nobody else. */
export interface Authority {
  /** Its certificate's file, PEM. */
  ca: string;
  /** Makes a certificate, or renews the one of that name: its files are written anew. */
  issue: (wish: CertificateWish) => Promise<Certificate>;
}

const LIMIT_MS = 30_000;
const DAYS = 365;
const EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/**
 * Makes an authority in a folder, keys readable by their owner only.
 *
 * @throws {CommandFailure} when there is no openssl, or it fails
 */
export async function makeAuthority(folder: string, name = "Tollgate"): Promise<Authority> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const ca = join(folder, "ca.pem");
  const caKey = join(folder, "ca.key");
  await openssl(
    ["req", "-x509", "-days", String(10 * DAYS), "-keyout", caKey, "-out", ca],
    [...EC_KEY, "-subj", `/CN=${name} authority`],
    ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"],
    ["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  );

  async function issue({ name: own, hosts = [], days = DAYS, endsAtMs }: CertificateWish) {
    const [cert, key] = [join(folder, `${own}.pem`), join(folder, `${own}.key`)];
    const [request, extensions] = [join(folder, `${own}.csr`), join(folder, `${own}.ext`)];
    await openssl([
      "req",
      "-new",
      ...EC_KEY,
      "-subj",
      `/CN=${own}`,
      "-keyout",
      key,
      "-out",
      request,
    ]);
    const names = hosts.map((host) => `${isAddress(host) ? "IP" : "DNS"}:${host}`);
    await writeFile(
      extensions,
      [
        "basicConstraints=CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
        ...(names.length === 0 ? [] : [`subjectAltName=${names.join(",")}`]),
      ].join("\n"),
    );
    if (endsAtMs !== undefined) await signUntil(endsAtMs, { request, extensions, cert });
    else
      await openssl(
        ["x509", "-req", "-in", request, "-out", cert, "-sha256", "-days", String(days)],
        ["-CA", ca, "-CAkey", caKey, "-extfile", extensions],
        // openssl's own file of the last serial is torn by two at once.
        ["-set_serial", `0x7f${randomBytes(15).toString("hex")}`],
      );
    return { cert, key };
  }

  /** `openssl x509` counts in days before OpenSSL 3.4; `openssl ca` keeps a database, which nobody needs. */
  async function signUntil(
    endsAtMs: number,
    { request, extensions, cert }: { request: string; extensions: string; cert: string },
  ): Promise<void> {
    const books = await mkdtemp(join(folder, "issued-"));
    const config = join(books, "ca.cnf");
    await writeFile(join(books, "index.txt"), "");
    await writeFile(
      config,
      [
        "[ca]",
        "default_ca = own",
        "[own]",
        `database = ${join(books, "index.txt")}`,
        `new_certs_dir = ${books}`,
        "rand_serial = yes",
        "default_md = sha256",
        "policy = any",
        "[any]",
        "commonName = supplied",
      ].join("\n"),
    );
    await openssl(
      ["ca", "-batch", "-notext", "-config", config, "-cert", ca, "-keyfile", caKey],
      ["-in", request, "-out", cert, "-extfile", extensions, "-enddate", asn1Time(endsAtMs)],
    );
    await rm(books, { recursive: true });
  }

  return { ca, issue };
}

/** `20261128123000Z` */
const asn1Time = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "")}Z`;

const isAddress = (host: string): boolean => /^[0-9.]+$/.test(host) || host.includes(":");

async function openssl(...parts: readonly (readonly string[])[]): Promise<void> {
  const args = parts.flat();
  if (Bun.which("openssl") === null)
    throw new CommandFailure("openssl not found: install it (Debian: apt-get install openssl)");
  const run = Bun.spawn(["openssl", ...args], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: LIMIT_MS,
  });
  const [exitCode, said] = await Promise.all([run.exited, new Response(run.stderr).text()]);
  if (exitCode !== 0)
    throw new CommandFailure(`openssl ${args[0]} failed: ${said.trim().split("\n").at(-1)}`);
}
