import type { Config } from "./schema.ts";

/** The keys that are set and do nothing any more; kept so that a file of an earlier version is read. */
export function keysWithoutEffect({ worker }: Pick<Config, "worker">): string[] {
  const { prefetch, park_ms: parkMs } = worker;
  return [
    ...(prefetch === undefined ? [] : ["worker.prefetch"]),
    ...(parkMs === undefined ? [] : ["worker.park_ms"]),
  ];
}
