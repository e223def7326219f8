import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

import type { RequestState } from "../core/request/request.ts";

/**
 * What a client did and saw. `ok` and `fail`: the client knows the outcome. `info`: it does not; the call may
 * or may not have had its effect.
 */
export type HistoryEvent = { op: number; monotonicMs: number; wallMs: number } & (
  | {
      type: "invoke";
      act: "generate";
      key: string;
      userId: string;
      prompt: string;
      /** null: the default one. */
      model: string | null;
      /** Whose waits are judged together; null: nobody's. */
      group: string | null;
      gateway: string;
    }
  | { type: "ok"; act: "generate"; requestId: string }
  | { type: "fail"; act: "generate"; status: number; code: string }
  | { type: "info"; act: "generate"; reason: string }
  | {
      type: "ok";
      act: "status";
      requestId: string;
      state: RequestState;
      tokens: number | null;
      text: string | null;
    }
);

type Unstamped<Event> = Event extends unknown ? Omit<Event, "monotonicMs" | "wallMs"> : never;

/** A history being written: JSON lines in a file, in the order of `write`. */
export interface HistoryWriter {
  path: string;
  write: (event: Unstamped<HistoryEvent>) => void;
  close: () => Promise<void>;
}

/** Stamps events and hands each on as a line with its end. */
export const stampedLines =
  (take: (line: string) => void): HistoryWriter["write"] =>
  (event) => {
    const stamped = { ...event, monotonicMs: Math.round(performance.now()), wallMs: Date.now() };
    take(`${JSON.stringify(stamped)}\n`);
  };

export function openHistory(path: string): HistoryWriter {
  const sink = Bun.file(path).writer({ highWaterMark: 1 << 16 });
  return {
    path,
    write: stampedLines((line) => void sink.write(line)),
    close: async () => void (await sink.end()),
  };
}

/** Reads a history event by event; its file may be larger than memory. */
export async function* readHistory(path: string): AsyncGenerator<HistoryEvent> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const line of lines) {
    if (line !== "") yield JSON.parse(line) as HistoryEvent;
  }
}
