import type { Writable } from "node:stream";

/**
 * From now on everything that is written to a socket within one turn of the event loop leaves in one system
 * call. The clients of Redis and RabbitMQ write every command and every message separately, which costs this
 * process and the server a call each: joined, an accept takes a sixth less CPU over all processes
 * (docs/performance.md). Nothing waits longer than the turn.
 */
export function joinWrites(socket: Writable): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let isCorked = false;

  function uncork(): void {
    isCorked = false;
    socket.uncork();
  }

  socket.write = (...args: unknown[]): boolean => {
    if (!isCorked) {
      isCorked = true;
      socket.cork();
      setImmediate(uncork);
    }
    return write(...args);
  };
}
