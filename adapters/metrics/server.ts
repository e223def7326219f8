import type { MetricsRegistry } from "./registry.ts";

/** The state of everything that a process depends on; a name maps to true when that server answers. */
export type Readiness = Record<string, boolean>;

export interface MetricsServerOptions {
  host: string;
  port: number;
  registry: MetricsRegistry;
  /** Asks the servers; must resolve within a second or two. */
  readiness: () => Promise<Readiness>;
}

export interface MetricsServer {
  port: number;
  stop: () => Promise<void>;
}

/**
 * `/metrics`, `/health/live` (never depends on servers) and `/health/ready` (does), on a port of their own.
 */
export function serveMetrics({
  host,
  port,
  registry,
  readiness,
}: MetricsServerOptions): MetricsServer {
  const server = Bun.serve({
    hostname: host,
    port,
    reusePort: false,
    // Otherwise Bun's reply to an error shows its message, its stack and our source.
    development: false,
    routes: {
      "/metrics": async () =>
        new Response(await registry.render(), {
          headers: { "content-type": registry.contentType },
        }),
      "/health/live": () => Response.json({ status: "live" }),
      "/health/ready": async () => {
        const checks = await readiness();
        const ready = Object.values(checks).every(Boolean);
        return Response.json(
          { status: ready ? "ready" : "not_ready", checks },
          { status: ready ? 200 : 503 },
        );
      },
    },
    fetch: () => Response.json({ status: "no such route" }, { status: 404 }),
  });
  return { port: server.port ?? port, stop: () => server.stop(true) };
}
