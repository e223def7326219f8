import { readFileSync } from "node:fs";

import type { TlsConfig } from "../../core/config/tls-schema.ts";

/**
 * Has `fetch` use no proxy. Bun takes those of HTTP_PROXY and its like for all calls, those to loopback too:
 * what is on this machine would never be reached, and prompts would go where nobody configured. `false` turns
 * it off (Bun 1.4.5, tried), which Bun's types do not know.
 */
export const DIRECT: Readonly<{ proxy: string }> = { proxy: false as unknown as string };

/** For calls to what runs encrypted on this machine: whom to believe and what to show; undefined: plain. */
export type CallerTls = Required<NonNullable<TlsConfig>> | undefined;

/** What `fetch` needs to call a process on this machine. */
export function callHere(tls: CallerTls): typeof DIRECT & { tls?: BunFetchRequestInitTLS } {
  if (tls === undefined) return DIRECT;
  const [ca, cert, key] = [tls.ca, tls.cert, tls.key].map((file) => readFileSync(file, "utf8"));
  return { ...DIRECT, tls: { ca, cert, key } };
}
