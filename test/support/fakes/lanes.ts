import type { Lanes } from "../../../adapters/redis/lanes.ts";
import type { LaneView, WorkerNote } from "../../../core/queue/lane.ts";
import type { FakeServer } from "./server.ts";

/** What the dispatcher and the workers tell everybody, without Redis. */
export interface FakeLanes extends Lanes {
  forgetView: () => void;
  /** Dates the last sign of the worker back. */
  silence: (workerId: string, ms: number) => void;
}

const WORKER_SILENT_MS = 10_000;

export function createFakeLanes({
  server,
  now,
}: {
  server: FakeServer;
  /** Clock of the server, Unix milliseconds. */
  now: () => number;
}): FakeLanes {
  let view: LaneView | undefined;
  const notes = new Map<string, WorkerNote>();

  return {
    writeView: (written) => server.ask(() => void (view = structuredClone(written))),
    readView: () => server.ask(() => structuredClone(view)),
    noteWorker: (note) =>
      server.ask(() => void notes.set(note.workerId, { ...structuredClone(note), atMs: now() })),
    forgetWorker: (workerId) => server.ask(() => void notes.delete(workerId)),
    readWorkers: () =>
      server.ask(() => {
        for (const [workerId, { atMs }] of notes)
          if (now() - atMs > WORKER_SILENT_MS) notes.delete(workerId);
        return structuredClone([...notes.values()]);
      }),
    forgetView: () => {
      view = undefined;
    },
    silence: (workerId, ms) => {
      const note = notes.get(workerId);
      if (note !== undefined) note.atMs -= ms;
    },
  };
}
