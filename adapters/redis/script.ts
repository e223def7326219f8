import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { ItemOutcome } from "../../runtime/bisect.ts";
import { Fault } from "../../core/faults.ts";
import type { RedisServer } from "./client.ts";
import type { RedisConnection } from "./connection.ts";
import { isRedirection, isStoredFault, replyErrorCode, toQuotaFault } from "./replies.ts";

export interface ScriptSpec<Key extends string, Arg extends string, Reply extends TSchema> {
  lua: string;
  /** Names in the order of KEYS. */
  keys: readonly Key[];
  /** Names in the order of ARGV. */
  args: readonly Arg[];
  reply: Reply;
}

/** One run of a script: its keys, all of one cluster slot, and its arguments by name. */
export interface ScriptCall<Key extends string, Arg extends string> {
  keys: Record<Key, string>;
  /** Without `instance` a script that wants it is given that of the server that runs it. */
  args: Record<Exclude<Arg, "instance">, string | number> & { instance?: string };
}

export interface BoundScript<Key extends string, Arg extends string, Reply> {
  /** Runs the script once. @throws {Fault} QUOTA_UNAVAILABLE; then the script may have run or not */
  run: (call: ScriptCall<Key, Arg>) => Promise<Reply>;
  /**
   * Runs the script once per call, in order and in one write to each server. A call that finds something
   * under its keys that the script cannot work with fails alone, and may have run in part. Where some servers
   * of a cluster are away, their calls fail with the fault below, and may have run.
   *
   * @throws {Fault} QUOTA_UNAVAILABLE where all of Redis is away; then any of the calls may have run
   */
  runEach: (calls: readonly ScriptCall<Key, Arg>[]) => Promise<ItemOutcome<Reply>[]>;
}

const isMissingScript = (error: unknown): boolean => replyErrorCode(error) === "NOSCRIPT";

/** The script is not there, or its keys are not; in both cases it has not run. */
const wasRefused = (error: unknown): boolean =>
  isMissingScript(error) || isRedirection(replyErrorCode(error));

const CUT_SHORT = { ok: false, error: new Error("the pipeline was cut short") } as const;

/**
 * Types a script by the names of its keys and arguments. It is called by digest, and sent in full only where
 * Redis has forgotten it.
 */
export function bindScript<Key extends string, Arg extends string, Reply extends TSchema>(
  redis: RedisConnection,
  spec: ScriptSpec<Key, Arg, Reply>,
): BoundScript<Key, Arg, Static<Reply>> {
  const { lua, keys: keyNames, args: argNames } = spec;
  const sha = new Bun.CryptoHasher("sha1").update(lua).digest("hex");
  const check = TypeCompiler.Compile(spec.reply);
  redis.preload(lua);
  type Call = ScriptCall<Key, Arg>;
  type Outcome = ItemOutcome<Static<Reply>>;

  const [firstKey] = keyNames;

  function keyOf({ keys }: Call): string | undefined {
    return firstKey && keys[firstKey];
  }

  function valuesOf({ keys, args }: Call, { instance }: RedisServer): (string | number)[] {
    const values: (string | number)[] = [];
    const named: Partial<Record<string, string | number>> = args;
    for (const name of keyNames) values.push(keys[name]);
    for (const name of argNames) values.push(named[name] ?? instance);
    return values;
  }

  function checked(raw: unknown): Static<Reply> {
    if (check.Check(raw)) return raw;
    throw outOfShape(raw);
  }

  function outOfShape(raw: unknown): Error {
    return new Error(
      `a script's reply has another shape: ${JSON.stringify(check.Errors(raw).First())}`,
    );
  }

  async function runOn(server: RedisServer, call: Call): Promise<unknown> {
    const values = valuesOf(call, server);
    try {
      return await server.client.evalsha(sha, keyNames.length, ...values);
    } catch (error) {
      if (!isMissingScript(error)) throw error;
      // Forgotten by a restart or SCRIPT FLUSH: it has not run, so it is safe to send again.
      return await server.client.eval(lua, keyNames.length, ...values);
    }
  }

  const runRaw = (call: Call): Promise<unknown> =>
    redis.run((server) => runOn(server, call), keyOf(call));

  async function runEach(calls: readonly Call[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const parts = Map.groupBy(calls.keys(), (index) => serverOf(calls[index]));
    const ends = await Promise.allSettled(
      Array.from(parts, async ([server, indexes]) => {
        const own = indexes.flatMap((index) => calls[index] ?? []);
        const found = await runPart(server, own);
        indexes.forEach((index, place) => (outcomes[index] = found[place] ?? CUT_SHORT));
      }),
    );
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined && !hasOthers()) throw toQuotaFault(failed.reason);
    const error = failed && toQuotaFault(failed.reason);
    return calls.map((_, index) => outcomes[index] ?? { ok: false, error });
  }

  /** Whether there is Redis for some users, if not for these. */
  const hasOthers = (): boolean => redis.servers().length > 1 && redis.isReady();

  /** undefined: it is away. */
  function serverOf(call: Call | undefined): RedisServer | undefined {
    try {
      return redis.server(call && keyOf(call));
    } catch {
      return undefined;
    }
  }

  /** @throws {Fault} QUOTA_UNAVAILABLE when the server is away or does not answer */
  async function runPart(server: RedisServer | undefined, calls: readonly Call[]) {
    if (server === undefined) throw new Fault("QUOTA_UNAVAILABLE", "Redis is not connected");
    const pipeline = server.client.pipeline();
    for (const call of calls) pipeline.evalsha(sha, keyNames.length, ...valuesOf(call, server));
    const replies = (await pipeline.exec()) ?? [];
    const outcomes: Outcome[] = [];
    for (const [index, call] of calls.entries()) {
      const [error, raw] = replies[index] ?? [CUT_SHORT.error];
      outcomes.push(wasRefused(error) ? await runAgain(call) : outcomeOf(error, raw));
    }
    return outcomes;
  }

  function runAgain(call: Call): Promise<Outcome> {
    return runRaw(call).then(
      (raw) => outcomeOf(null, raw),
      (error: unknown) => outcomeOf(error instanceof Fault ? error.cause : error, undefined),
    );
  }

  function outcomeOf(error: unknown, raw: unknown): Outcome {
    if (isStoredFault(error)) return { ok: false, error };
    if (error !== null) throw toQuotaFault(error);
    return check.Check(raw) ? { ok: true, value: raw } : { ok: false, error: outOfShape(raw) };
  }

  return { run: async (call) => checked(await runRaw(call)), runEach };
}
