import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";

import { Fault } from "../../core/faults.ts";

type Decode = (bytes: Uint8Array, bounds: { maxOutputLength: number }) => Promise<Uint8Array>;

/** They stop, and free what they have, once more than `maxOutputLength` bytes have come out. */
const DECODERS: Readonly<Record<string, Decode>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/** For `Accept-Encoding` of a refusal (RFC 9110, 12.5.3). */
const ENCODINGS = "gzip, deflate, br";

/**
 * The bytes of a body without its `Content-Encoding`. Neither what is sent nor what it decodes to may be
 * longer than `bytesMax`; not much more is ever kept in memory, whatever a client announces.
 *
 * @throws {Fault} BODY_TOO_LARGE, BODY_NOT_JSON (it is not what its encoding says),
 *   CONTENT_ENCODING_UNSUPPORTED
 */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  const encoding = (request.headers.get("content-encoding") ?? "").trim().toLowerCase();
  const isPlain = encoding === "" || encoding === "identity";
  const decode = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (!isPlain && decode === undefined)
    throw new Fault(
      "CONTENT_ENCODING_UNSUPPORTED",
      `send the body as it is, or with one content-encoding of ${ENCODINGS}`,
      { headers: { "accept-encoding": ENCODINGS } },
    );
  const sent = await readBounded(request, bytesMax);
  return decode === undefined ? sent : await decoded(sent, { decode, encoding, bytesMax });
}

async function decoded(
  sent: Uint8Array,
  { decode, encoding, bytesMax }: { decode: Decode; encoding: string; bytesMax: number },
): Promise<Uint8Array> {
  try {
    return await decode(sent, { maxOutputLength: bytesMax });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      throw tooLarge(bytesMax);
    throw new Fault(
      "BODY_NOT_JSON",
      `the header says content-encoding: ${encoding}, but the body is not ${encoding} or is cut off`,
      { cause: error },
    );
  }
}

/** Counts while it reads: a chunked body announces no length. */
async function readBounded(request: Request, bytesMax: number): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > bytesMax) throw tooLarge(bytesMax);
  // The server takes no more than was announced.
  if (announced !== null) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bytesMax: number): Fault {
  return new Fault("BODY_TOO_LARGE", `the body may have at most ${bytesMax} bytes`);
}
