import type { Server } from "bun";

import type { Log } from "../../runtime/log.ts";
import { letLatestListen } from "./latest-listens.ts";
import type { TlsFiles, TlsMaterial } from "./tls-files.ts";

/** What `Bun.serve` takes of certificates; TLS 1.2 is its least. */
export type ServerTls = Pick<TlsMaterial, "ca" | "cert" | "key"> & {
  requestCert?: true;
  rejectUnauthorized?: true;
};

/** What a listener is opened with, beside what it serves. */
export interface ListenOptions {
  hostname: string;
  port: number;
  /** Seconds until a connection without a call is closed. */
  idleTimeout: number;
  reusePort: boolean;
  tls?: ServerTls;
}

type Listener = Server<undefined>;

export interface ListenerParts {
  /** Opens one that serves; called again for each renewal. */
  open: (options: ListenOptions) => Listener;
  /** Answers a call that came to a listener whose certificate is out of date. */
  answer: (request: Request, server: Listener) => Response | Promise<Response>;
  /** Of the server; with an authority a client must show a certificate of it. undefined: plain text. */
  files: TlsFiles | undefined;
  log: Pick<Log, "info" | "error">;
}

export interface RenewableListener {
  port: number;
  /** Takes no more connections; resolves when all calls are answered, or at once with `closesAll`. */
  stop: (closesAll?: boolean) => Promise<void>;
}

/** Of a connection that is used: how long its calls may still come after a renewal. */
const USED_MS = 1_000;

/**
 * Listens, with the certificates that are there at the time. `Bun.serve` cannot change those (1.4.5), so a
 * renewal opens a second listener on the same port. New connections go to it; the old one answers what still
 * comes with `connection: close`, and is stopped when its last idle connection has run out.
 *
 * @throws {Error} EADDRINUSE when another process has the port
 */
export function listenRenewably(
  { files, ...parts }: ListenerParts,
  wanted: Omit<ListenOptions, "tls">,
): RenewableListener {
  if (files !== undefined) return listenEncrypted({ ...parts, files }, wanted);
  const plain = parts.open(wanted);
  return { port: plain.port ?? wanted.port, stop: (closesAll) => plain.stop(closesAll) };
}

function listenEncrypted(
  { open, answer, files, log }: ListenerParts & { files: TlsFiles },
  wanted: Omit<ListenOptions, "tls">,
): RenewableListener {
  const isAlone = !wanted.reusePort;
  // With `reusePort` nobody would notice that the port is somebody else's.
  if (isAlone && wanted.port !== 0) requireFree(wanted);
  const openNow = (port: number): Listener =>
    open({ ...wanted, port, reusePort: true, tls: serverTls(files.current()) });

  let current = openNow(wanted.port);
  const port = current.port ?? wanted.port;
  const retired = new Set<Listener>();
  let renewing: Promise<void> = Promise.resolve();
  let isStopped = false;

  async function renew(): Promise<void> {
    if (isStopped) return;
    const old = current;
    current = openNow(port);
    if (isAlone && !letLatestListen(port))
      log.info({ port }, "connections that are just being made may fail while certificates change");
    retired.add(old);
    await untilUnused(old);
    // A long answer may still go on; nobody else comes to it.
    void old.stop().finally(() => retired.delete(old));
  }

  async function untilUnused(old: Listener): Promise<void> {
    old.reload({
      routes: {},
      fetch: async (request: Request, server: Listener) => closing(await answer(request, server)),
    });
    await Bun.sleep(wanted.idleTimeout * 1_000 + USED_MS);
  }

  const stopFollowing = files.onRenewed(() => {
    // One after the other: the kernel knows the latest of two.
    renewing = renewing
      .then(renew)
      .catch((error: unknown) => log.error({ err: error, port }, "certificates are not renewed"));
  });

  return {
    port,
    stop: async (closesAll) => {
      isStopped = true;
      stopFollowing();
      files.close();
      await Promise.all([current, ...retired].map((one) => one.stop(closesAll)));
    },
  };
}

const serverTls = ({ ca, cert, key }: TlsMaterial): ServerTls => ({
  ...(cert !== undefined && { cert }),
  ...(key !== undefined && { key }),
  ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }),
});

function closing(response: Response): Response {
  response.headers.set("connection", "close");
  return response;
}

/** @throws {Error} EADDRINUSE */
function requireFree({ hostname, port }: Pick<ListenOptions, "hostname" | "port">): void {
  const probe = Bun.serve({ hostname, port, reusePort: false, fetch: () => new Response() });
  void probe.stop(true);
}
