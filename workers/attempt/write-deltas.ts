import { createDeltas, type Deltas, type Piece } from "../../core/attempt/deltas.ts";
import type { RequestHead } from "../../core/request/request.ts";
import type { WorkerPorts } from "../ports.ts";

/** The pieces of an answer, as they are given to whoever reads along. */
export interface DeltaWriter {
  deltas: Deltas;
  /** Resolves when all pieces are where readers find them, or could not be brought there for a moment. */
  flush: () => Promise<void>;
}

type Ports = Pick<
  WorkerPorts,
  "beginDeltas" | "appendDeltas" | "reach" | "log" | "now" | "schedule"
>;

/** Pieces that come within so long of a write wait for the next: nobody reads faster, and each costs. */
const TOGETHER_MS = 20;
/** Readers who cannot be told in time find the rest in the result. */
const FLUSHES_MAX = 10;

/**
 * Writes the pieces of one execution in their order, each write only after the one before. What cannot be
 * written is kept and tried again; the answer does not wait for it. `said`: what an execution before has
 * written, from which this one goes on. Never throws.
 */
export function createDeltaWriter(
  ports: Ports,
  head: RequestHead,
  said: readonly Piece[] = [],
): DeltaWriter {
  const deltas = createDeltas();
  said.forEach(deltas.add);
  const pending: Piece[] = [];
  /** What is written next, the same at each try: one whose reply was lost may have written it. */
  let batch: Piece[] = [];
  let epoch: number | null = null;
  let written = 0;
  let wroteAtMs = Number.NEGATIVE_INFINITY;
  let writing: Promise<void> | null = null;
  let cancelTimer: (() => void) | null = null;

  async function write(): Promise<void> {
    if (epoch === null) {
      epoch = await ports.beginDeltas(head, said.length > 0);
      ports.reach("W4");
    }
    if (batch.length === 0) batch = pending.splice(0);
    if (batch.length === 0) return;
    await ports.appendDeltas(head, { epoch, number: written + 1 }, batch);
    ports.reach("W5");
    written += 1;
    batch = [];
  }

  const isAllWritten = (): boolean => pending.length === 0 && batch.length === 0;

  function writeOnce(): Promise<void> {
    cancelTimer?.();
    cancelTimer = null;
    writing ??= write()
      .catch((error: unknown) => {
        ports.log.debug({ err: error, request_id: head.requestId }, "cannot write pieces now");
      })
      .finally(() => {
        writing = null;
      });
    return writing;
  }

  function writeSoon(): void {
    cancelTimer ??= ports.schedule(
      () => {
        cancelTimer = null;
        wroteAtMs = ports.now();
        void writeOnce().then(() => {
          if (!isAllWritten()) writeSoon();
        });
      },
      Math.max(0, wroteAtMs + TOGETHER_MS - ports.now()),
    );
  }

  return {
    deltas: {
      ...deltas,
      add: (piece) => {
        deltas.add(piece);
        pending.push(piece);
        writeSoon();
      },
    },
    async flush() {
      for (let flushes = 0; flushes < FLUSHES_MAX && !isAllWritten(); flushes += 1)
        await writeOnce();
      cancelTimer?.();
      cancelTimer = null;
    },
  };
}
