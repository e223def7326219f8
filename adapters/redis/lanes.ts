import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";

import type { LaneView, WorkerNote } from "../../core/queue/lane.ts";
import type { RedisConnection } from "./connection.ts";
import { LANES_KEY, WORKERS_KEY } from "./keys.ts";

/** What the dispatcher and the workers tell everybody. All functions throw `QUOTA_UNAVAILABLE`. */
export interface Lanes {
  writeView: (view: LaneView) => Promise<void>;
  /** undefined: there is none, because no dispatcher has been at work or Redis has lost it. */
  readView: () => Promise<LaneView | undefined>;
  /** A worker's sign of life; repeat it about once a second. */
  noteWorker: (note: Omit<WorkerNote, "atMs">) => Promise<void>;
  forgetWorker: (workerId: string) => Promise<void>;
  /** The workers that gave a sign of life lately; forgets those that did not. */
  readWorkers: () => Promise<WorkerNote[]>;
}

/** The last word stays in force when no keeper renews it; this long after that it is nothing any more. */
const VIEW_TTL_MS = 3_600_000;
/** A worker that has given no sign for this long is gone. */
const WORKER_SILENT_MS = 10_000;

const View = t.Object({
  atMs: t.Number(),
  models: t.Record(
    t.String(),
    t.Object({
      mode: t.Union([t.Literal("direct"), t.Literal("parked")]),
      allowance: t.Number(),
      ready: t.Number(),
      parked: t.Number(),
      ratePerSecond: t.Number(),
      users: t.Number(),
      weights: t.Number(),
      operatorPause: t.Union([
        t.Null(),
        t.Object({ by: t.String(), reason: t.String(), atMs: t.Number() }),
      ]),
    }),
  ),
});
const Note = t.Object({
  workerId: t.String(),
  host: t.String(),
  atMs: t.Number(),
  models: t.Record(
    t.String(),
    t.Object({
      problem: t.Union([t.Null(), t.Literal("key_missing")]),
      limit: t.Number(),
      underWay: t.Number(),
      ended: t.Number(),
    }),
  ),
});
const view = TypeCompiler.Compile(View);
const note = TypeCompiler.Compile(Note);

export function createLanes(redis: RedisConnection): Lanes {
  return {
    writeView: async (written) => {
      await redis.run(
        ({ client }) => client.set(LANES_KEY, JSON.stringify(written), "PX", VIEW_TTL_MS),
        LANES_KEY,
      );
    },
    readView: async () =>
      parsed(view, await redis.run(({ client }) => client.get(LANES_KEY), LANES_KEY)),
    noteWorker: async (written) => {
      await redis.run(async ({ client }) => {
        // By the clock of Redis, as the reader's: those of two machines may differ by more than a sign may
        // be old.
        const atMs = Number((await client.time())[0]) * 1_000;
        const text = JSON.stringify({ ...written, atMs });
        await client
          .multi()
          .hset(WORKERS_KEY, written.workerId, text)
          .pexpire(WORKERS_KEY, VIEW_TTL_MS)
          .exec();
      }, WORKERS_KEY);
    },
    forgetWorker: async (workerId) => {
      await redis.run(({ client }) => client.hdel(WORKERS_KEY, workerId), WORKERS_KEY);
    },
    readWorkers: () =>
      redis.run(async ({ client }) => {
        const [fields, time] = await Promise.all([client.hgetall(WORKERS_KEY), client.time()]);
        const nowMs = Number(time[0]) * 1_000;
        const notes = Object.entries(fields).map(([id, text]) => [id, parsed(note, text)] as const);
        const isGone = (written: WorkerNote | undefined): boolean =>
          written === undefined || nowMs - written.atMs > WORKER_SILENT_MS;
        const gone = notes.filter(([, written]) => isGone(written)).map(([id]) => id);
        if (gone.length > 0) await client.hdel(WORKERS_KEY, ...gone);
        return notes.flatMap(([, written]) =>
          written === undefined || isGone(written) ? [] : [written],
        );
      }, WORKERS_KEY),
  };
}

/** undefined: nothing, or nothing of ours. */
function parsed<Shape extends TSchema>(
  check: TypeCheck<Shape>,
  text: string | null,
): Static<Shape> | undefined {
  if (text === null) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return check.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
