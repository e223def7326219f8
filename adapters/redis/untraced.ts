import { tracingChannel } from "node:diagnostics_channel";

/**
 * ioredis 6 describes every command, arguments and all, to whoever traces it, unless `hasSubscribers` of its
 * tracing channel says that nobody does. Bun 1.4.5 has tracing channels without that property (Node has it,
 * https://nodejs.org/api/diagnostics_channel.html), so that every command paid about a microsecond for a
 * trace that nobody read. This adds it, as Node defines it, where it is missing.
 */
export function skipUnreadTraces(): void {
  const prototype: object = Object.getPrototypeOf(tracingChannel("tollgate"));
  if ("hasSubscribers" in prototype) return;
  Object.defineProperty(prototype, "hasSubscribers", {
    configurable: true,
    get(this: ReturnType<typeof tracingChannel>): boolean {
      return (
        this.start.hasSubscribers ||
        this.end.hasSubscribers ||
        this.asyncStart.hasSubscribers ||
        this.asyncEnd.hasSubscribers ||
        this.error.hasSubscribers
      );
    },
  });
}
