import type { Socket } from "bun";

/**
 * A keep-alive connection that carries one call at a time and reads no more of an answer than where it ends.
 */
export interface HttpConnection {
  /**
   * Sends a raw request; `onAnswer` gets the status once the answer is complete, 0 if the connection was
   * lost.
   */
  send: (request: Uint8Array, onAnswer: (status: number) => void) => void;
  isOpen: () => boolean;
  close: () => void;
}

const HEAD_END = "\r\n\r\n";
const CHUNKS_END = "0\r\n\r\n";

/** Bytes of the first answer in the buffer; undefined while it is incomplete. */
export function answerLength(buffer: Buffer): number | undefined {
  const headEnd = buffer.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const bodyStart = headEnd + HEAD_END.length;
  const head = buffer.subarray(0, headEnd).toString("latin1").toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) {
    const end = bodyStart + Number(length);
    return buffer.length >= end ? end : undefined;
  }
  if (!head.includes("\r\ntransfer-encoding: chunked")) return bodyStart;
  const end = buffer.indexOf(CHUNKS_END, bodyStart);
  return end < 0 ? undefined : end + CHUNKS_END.length;
}

/** `HTTP/1.1 202 …` → 202. */
const statusOf = (buffer: Buffer): number => Number(buffer.subarray(9, 12).toString("latin1"));

/** Connects; rejects when nothing listens. An https URL needs the certificate of its authority, PEM. */
export async function openHttpConnection(url: string, ca?: string): Promise<HttpConnection> {
  const { hostname, port, protocol } = new URL(url);
  let received: Buffer = Buffer.alloc(0);
  let unsent: Uint8Array = new Uint8Array(0);
  let answer: ((status: number) => void) | undefined;
  let isOpen = true;

  function finish(status: number): void {
    const report = answer;
    answer = undefined;
    report?.(status);
  }

  function lost(): void {
    isOpen = false;
    finish(0);
  }

  function write(socket: Socket, bytes: Uint8Array): void {
    const written = Math.max(0, socket.write(bytes));
    unsent = bytes.subarray(written);
  }

  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    ...(protocol === "https:" && { tls: { ca, rejectUnauthorized: true } }),
    socket: {
      data: (_socket, chunk) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const length = answerLength(received);
        if (length === undefined) return;
        const status = statusOf(received);
        received = received.subarray(length);
        finish(status);
      },
      drain: (ready) => write(ready, unsent),
      close: lost,
      error: lost,
      end: lost,
    },
  });
  socket.setNoDelay(true);
  return {
    send: (request, onAnswer) => {
      answer = onAnswer;
      if (isOpen) write(socket, request);
      else finish(0);
    },
    isOpen: () => isOpen,
    close: () => socket.end(),
  };
}
