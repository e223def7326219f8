const encoder = new TextEncoder();
const CHUNK = new Uint8Array(65_536).fill(97);
const DRIP_INTERVAL_MS = 100;

type Push = (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>;

/**
 * A body that begins with `first` and goes on as `next` says whenever the caller has taken what there was.
 */
function bodyOf(first: string, next: Push): Response {
  let hasBegun = false;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (hasBegun) await next(controller);
      else controller.enqueue(encoder.encode(first));
      hasBegun = true;
    },
  });
  return new Response(stream, { headers: { "content-type": "application/json" } });
}

/** Good JSON of about so many bytes. */
export function hugeBody(bytes: number): Response {
  let left = bytes;
  return bodyOf('{"simulator":"', (controller) => {
    if (left <= 0) {
      controller.enqueue(encoder.encode('"}'));
      controller.close();
      return;
    }
    controller.enqueue(CHUNK.subarray(0, Math.min(left, CHUNK.byteLength)));
    left -= CHUNK.byteLength;
  });
}

/** Blanks for ever, one per 100 ms. */
export function drippingBody(): Response {
  return bodyOf('{"simulator":', async (controller) => {
    await Bun.sleep(DRIP_INTERVAL_MS);
    controller.enqueue(encoder.encode(" "));
  });
}

/** Stops between its two parts. */
export function stallingBody(first: string, second: string, ms: number): Response {
  return bodyOf(first, async (controller) => {
    await Bun.sleep(ms);
    controller.enqueue(encoder.encode(second));
    controller.close();
  });
}

/** Ends in a reset of the connection. Erring with null is what keeps Bun from printing the error. */
export function resetBody(): Response {
  return bodyOf('{"simulator":', (controller) => controller.error(null));
}
