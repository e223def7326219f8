import type { Server } from "bun";

import type { RoleContext } from "../../adapters/process/run-role.ts";
import { listenRenewably, type RenewableListener } from "../../adapters/tls/renewable-listener.ts";
import { openTlsFiles } from "../../adapters/tls/tls-files.ts";
import type { Config } from "../../core/config/schema.ts";
import type { createApp } from "../http/app.ts";

/** Above the longest wait (50 s): the server must not cut a long-poll. */
const IDLE_TIMEOUT_SECONDS = 75;

/** The port of the API, open. @throws {Error} naming the file, when a certificate cannot be read */
export async function openDoor(
  app: ReturnType<typeof createApp>,
  { gateway: { host, port, tls, body_bytes_max: bodyBytesMax } }: Pick<Config, "gateway">,
  { env, log, registry }: Pick<RoleContext, "env" | "log" | "registry">,
): Promise<RenewableListener> {
  const context = { log, metrics: registry.metrics, name: "gateway" };
  const files = tls && (await openTlsFiles(tls, context));
  return listenRenewably(
    {
      open: (options) => {
        app.listen({
          ...options,
          // Otherwise Bun's reply to an error shows its message, its stack and our source.
          development: false,
          // Above our own limit, so that a body somewhat too large gets a problem document instead of a bare
          // 413.
          maxRequestBodySize: bodyBytesMax * 4,
        });
        return app.server as Server<undefined>;
      },
      answer: app.fetch,
      files,
      log,
    },
    {
      hostname: host,
      port,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      // Several gateways share one port only when told so: a stale process must not steal calls unnoticed.
      reusePort: env["TOLLGATE_REUSE_PORT"] === "1",
    },
  );
}
