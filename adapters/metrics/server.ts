import type { Log } from "../../runtime/log.ts";
import {
  listenRenewably,
  type ListenOptions,
  type RenewableListener,
} from "../tls/renewable-listener.ts";
import type { TlsFiles } from "../tls/tls-files.ts";
import type { MetricsRegistry } from "./registry.ts";

/** The state of everything that a process depends on; a name maps to true when that server answers. */
export type Readiness = Record<string, boolean>;

export interface MetricsServerOptions {
  host: string;
  port: number;
  registry: MetricsRegistry;
  /** Asks the servers; must resolve within a second or two. */
  readiness: () => Promise<Readiness>;
  /** undefined: plain text. */
  tls: TlsFiles | undefined;
  log: Pick<Log, "info" | "error">;
}

const IDLE_TIMEOUT_SECONDS = 30;

/**
 * `/metrics`, `/health/live` (never depends on servers) and `/health/ready` (does), on a port of their own.
 */
export function serveMetrics({
  host,
  port,
  registry,
  readiness,
  tls,
  log,
}: MetricsServerOptions): RenewableListener {
  const answer = async (request: Request): Promise<Response> => {
    switch (new URL(request.url).pathname) {
      case "/metrics":
        return new Response(await registry.render(), {
          headers: { "content-type": registry.contentType },
        });
      case "/health/live":
        return Response.json({ status: "live" });
      case "/health/ready": {
        const checks = await readiness();
        const ready = Object.values(checks).every(Boolean);
        return Response.json(
          { status: ready ? "ready" : "not_ready", checks },
          { status: ready ? 200 : 503 },
        );
      }
      default:
        return Response.json({ status: "no such route" }, { status: 404 });
    }
  };
  const open = (options: ListenOptions) =>
    Bun.serve({
      ...options,
      // Otherwise Bun's reply to an error shows its message, its stack and our source.
      development: false,
      fetch: answer,
    });
  return listenRenewably(
    { open, answer, files: tls, log },
    { hostname: host, port, idleTimeout: IDLE_TIMEOUT_SECONDS, reusePort: false },
  );
}
