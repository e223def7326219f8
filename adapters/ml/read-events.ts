/** The longest line of an event stream: far above what a service sends at once. */
const LINE_CHARS_MAX = 4 * 1024 * 1024;

/** The stream of a service goes on without end, or a line of it does. */
export class EventsTooLong extends Error {
  override readonly name = "EventsTooLong";
}

/**
 * Calls back with the data of each server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html)
 * until the stream ends or `onData` returns false. `onBytes` hears of every piece of the stream.
 *
 * @throws {EventsTooLong} beyond `bytesMax`; whatever reading the stream throws
 */
export async function readEvents(
  { body }: Response,
  bytesMax: number,
  { onData, onBytes }: { onData: (data: string) => boolean; onBytes: () => void },
): Promise<void> {
  if (body === null) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let bytes = 0;
  let rest = "";
  let data: string[] = [];

  /** Returns whether to go on. */
  function takeLine(line: string): boolean {
    if (line === "") {
      const whole = data.join("\n");
      data = [];
      return whole === "" || onData(whole);
    }
    if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
    return true;
  }

  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      // Some services end without an empty line.
      for (const line of [...rest.split(/\r\n|\n|\r/), ""]) if (!takeLine(line)) break;
      return;
    }
    onBytes();
    bytes += value.byteLength;
    rest += decoder.decode(value, { stream: true });
    if (bytes > bytesMax || rest.length > LINE_CHARS_MAX) {
      await reader.cancel();
      throw new EventsTooLong();
    }
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (takeLine(line)) continue;
      await reader.cancel();
      return;
    }
  }
}
