/** The writing end of a reply of server-sent events. */
export interface EventWriter {
  /** An event as it stands, or a comment. Does nothing once the reader has gone. */
  write: (text: string) => void;
  /** Whether the reader takes what is written; false: it is behind by more than the bound. */
  isReady: () => boolean;
  close: () => void;
}

/** Written and not yet taken by the reader, in bytes; with one read of pieces on top. */
const BEHIND_MAX = 65_536;

const encoder = new TextEncoder();

/**
 * A reply of server-sent events. `run` writes it until it resolves; `onGone` hears when the reader has gone.
 */
export function eventStream(
  headers: Readonly<Record<string, string>>,
  run: (writer: EventWriter) => Promise<void>,
  onGone: () => void,
): Response {
  let isOver = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const writer: EventWriter = {
          write(text) {
            if (!isOver) controller.enqueue(encoder.encode(text));
          },
          isReady: () => !isOver && (controller.desiredSize ?? 0) > 0,
          close() {
            if (isOver) return;
            isOver = true;
            controller.close();
          },
        };
        void run(writer).finally(writer.close);
      },
      cancel() {
        isOver = true;
        onGone();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BEHIND_MAX }),
  );
  return new Response(stream, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Proxies such as nginx would collect the pieces.
      "x-accel-buffering": "no",
      ...headers,
    },
  });
}
