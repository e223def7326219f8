import { elapsed } from "./elapsed.ts";
import type { SimEvent } from "./events.ts";

/** Ends the stream by a reset of its connection. */
export const RESET = "reset";

const encoder = new TextEncoder();

/**
 * Sends events when they are due. `end` is called once: when all are sent, or when the caller has left, after
 * which no more of them are made.
 */
export function sendEvents(
  events: Iterator<SimEvent>,
  signal: AbortSignal,
  end: (isWhole: boolean) => void,
): Response {
  const startedAtMs = performance.now();
  const left = new AbortController();
  const leave = (): void => finish(false);
  let isOver = false;

  function finish(isWhole: boolean): void {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", leave);
    left.abort();
    end(isWhole);
  }

  signal.addEventListener("abort", leave);
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = events.next();
      if (next.done === true) {
        controller.close();
        finish(true);
        return;
      }
      const { atMs, data } = next.value;
      await elapsed(atMs - (performance.now() - startedAtMs), left.signal);
      // Erring with null is what keeps Bun from printing the error.
      if (data === RESET || isOver) controller.error(null);
      else controller.enqueue(encoder.encode(`data: ${data}\n\n`));
      if (data === RESET) finish(true);
    },
    cancel: leave,
  });
  return new Response(stream, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
  });
}
