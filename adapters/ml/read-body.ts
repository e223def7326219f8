/**
 * Reads a reply's body as text, at most `bytesMax`; null when it is longer. Whatever is not read is
 * cancelled.
 */
export async function readBody(response: Response, bytesMax: number): Promise<string | null> {
  const declared = Number(response.headers.get("content-length") ?? Number.NaN);
  if (declared > bytesMax) {
    await response.body?.cancel();
    return null;
  }
  // A declared length bounds the bytes unless they are compressed; then, and without one, the stream is
  // watched.
  if (declared >= 0 && !response.headers.has("content-encoding")) return response.text();
  return readStream(response, bytesMax);
}

async function readStream({ body }: Response, bytesMax: number): Promise<string | null> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let bytes = 0;
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > bytesMax) {
      await reader.cancel();
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}
