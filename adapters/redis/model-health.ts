import { Type as t } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

import { type DatedHealth, HEALTHY, type ModelHealth } from "../../core/queue/model-health.ts";
import replaceLua from "../../lua/replace.lua" with { type: "text" };
import type { RedisConnection } from "./connection.ts";
import { bindScript } from "./script.ts";

/**
 * The health of models that all workers share, dated by the clock of Redis. Both functions throw
 * `QUOTA_UNAVAILABLE`.
 */
export interface ModelHealthStore {
  /** In order. */
  read: (models: readonly string[]) => Promise<DatedHealth[]>;
  /**
   * Changes a record by a pure function of what it is, which is called again where somebody else was faster;
   * null leaves it. Returns the record afterwards, and whether this call changed it. Changes of one model by
   * this process come one after the other.
   */
  change: (
    model: string,
    judge: (now: DatedHealth) => ModelHealth | null,
  ) => Promise<DatedHealth & { isChanged: boolean }>;
}

/** Longer than the longest pause but for a `Retry-After`, whose length is added. */
const TTL_MS = 3_600_000;
/** Only other processes interfere, and only while a model is in trouble. */
const TRIES_MAX = 20;

const REPLACE = {
  lua: replaceLua,
  keys: ["key"],
  args: ["before", "after", "ttlMs"],
  /** [replaced 0|1, the value now, Unix milliseconds] */
  reply: t.Tuple([t.Union([t.Literal(0), t.Literal(1)]), t.String(), t.Integer({ minimum: 0 })]),
} as const;

const trouble = t.Union([
  t.Literal("unreachable"),
  t.Literal("busy"),
  t.Literal("unavailable"),
  t.Literal("refused"),
  t.Literal("failing"),
]);
const RECORD = TypeCompiler.Compile(
  t.Object({
    pause: t.Union([
      t.Null(),
      t.Object({
        cause: trouble,
        message: t.String(),
        sinceMs: t.Number(),
        pauseMs: t.Number(),
        untilMs: t.Number(),
        probe: t.Union([t.Null(), t.Object({ workerId: t.String(), untilMs: t.Number() })]),
      }),
    ]),
    users: t.Record(
      t.String(),
      t.Object({
        trouble,
        message: t.String(),
        failures: t.Number(),
        lastMs: t.Number(),
        pauseMs: t.Number(),
        pausedAtMs: t.Number(),
        untilMs: t.Number(),
        probeUntilMs: t.Number(),
      }),
    ),
    well: t.Record(t.String(), t.Number()),
  }),
);

/** The braces keep what belongs to one model in one cluster slot. */
export const modelHealthKey = (model: string): string => `model:{${model}}:health`;

export function createModelHealthStore(redis: RedisConnection): ModelHealthStore {
  const replace = bindScript(redis, REPLACE);
  /** The change under way of each model, so that those of this process do not make each other try again. */
  const underWay = new Map<string, Promise<unknown>>();

  async function changeNow(
    model: string,
    judge: (now: DatedHealth) => ModelHealth | null,
  ): Promise<DatedHealth & { isChanged: boolean }> {
    const key = modelHealthKey(model);
    let [before, atMs] = await redis.run(async ({ client }) => {
      const [text, time] = await Promise.all([client.get(key), client.time()]);
      return [text ?? "", msOf(time)] as const;
    }, key);
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const now = { health: recordOf(before), atMs };
      const health = judge(now);
      if (health === null) return { ...now, isChanged: false };
      const after = health === HEALTHY ? "" : JSON.stringify(health);
      if (after === before) return { ...now, isChanged: false };
      const [replaced, value, nowMs] = await replace.run({
        keys: { key },
        args: { before, after, ttlMs: ttlOf(health, atMs) },
      });
      if (replaced === 1) return { health, atMs: nowMs, isChanged: true };
      before = value;
      atMs = nowMs;
    }
    return { health: recordOf(before), atMs, isChanged: false };
  }

  return {
    read: async (models) => {
      if (models.length === 0) return [];
      // None waits for another, so this takes one round trip. One read each: in a cluster their slots differ.
      const [time, ...texts] = await Promise.all([
        redis.run(({ client }) => client.time()),
        ...models.map((model) => {
          const key = modelHealthKey(model);
          return redis.run(({ client }) => client.get(key), key);
        }),
      ]);
      const atMs = msOf(time);
      return texts.map((text) => ({ health: recordOf(text ?? ""), atMs }));
    },
    change: (model, judge) => {
      const before = underWay.get(model) ?? Promise.resolve();
      const changed = before.then(() => changeNow(model, judge));
      const settled = changed.catch(() => {});
      underWay.set(model, settled);
      void settled.then(() => {
        if (underWay.get(model) === settled) underWay.delete(model);
      });
      return changed;
    },
  };
}

/** What is not ours counts as nothing known: the model is tried. */
function recordOf(text: string): ModelHealth {
  if (text === "") return HEALTHY;
  try {
    const record: unknown = JSON.parse(text);
    return RECORD.Check(record) ? record : HEALTHY;
  } catch {
    return HEALTHY;
  }
}

const msOf = ([seconds, micros]: readonly (string | number)[]): number =>
  Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);

function ttlOf({ pause, users }: ModelHealth, atMs: number): number {
  const lastMs = Math.max(
    atMs,
    pause?.untilMs ?? 0,
    ...Object.values(users).map(({ untilMs }) => untilMs),
  );
  return lastMs - atMs + TTL_MS;
}
