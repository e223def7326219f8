import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { ItemOutcome } from "../../runtime/bisect.ts";
import type { RedisConnection } from "./connection.ts";
import { isStoredFault, replyErrorCode, toQuotaFault } from "./replies.ts";

export interface ScriptSpec<Key extends string, Arg extends string, Reply extends TSchema> {
  lua: string;
  /** Names in the order of KEYS. */
  keys: readonly Key[];
  /** Names in the order of ARGV. */
  args: readonly Arg[];
  reply: Reply;
}

/** One run of a script: its keys and arguments by name. */
export interface ScriptCall<Key extends string, Arg extends string> {
  keys: Record<Key, string>;
  args: Record<Arg, string | number>;
}

export interface BoundScript<Key extends string, Arg extends string, Reply> {
  /** Runs the script once. @throws {Fault} QUOTA_UNAVAILABLE; then the script may have run or not */
  run: (call: ScriptCall<Key, Arg>) => Promise<Reply>;
  /**
   * Runs the script once per call, in order, in one write. A call that finds something under its keys that
   * the script cannot work with fails alone, and may have run in part.
   *
   * @throws {Fault} QUOTA_UNAVAILABLE for all else; then any of the calls may have run
   */
  runEach: (calls: readonly ScriptCall<Key, Arg>[]) => Promise<ItemOutcome<Reply>[]>;
}

const isMissingScript = (error: unknown): boolean => replyErrorCode(error) === "NOSCRIPT";

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

  function valuesOf({ keys, args }: ScriptCall<Key, Arg>): (string | number)[] {
    const values: (string | number)[] = [];
    for (const name of keyNames) values.push(keys[name]);
    for (const name of argNames) values.push(args[name]);
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

  async function runHere(call: ScriptCall<Key, Arg>): Promise<unknown> {
    const { client } = redis.server();
    const values = valuesOf(call);
    try {
      return await client.evalsha(sha, keyNames.length, ...values);
    } catch (error) {
      if (!isMissingScript(error)) throw error;
      // Forgotten by a restart or SCRIPT FLUSH: it has not run, so it is safe to send again.
      return await redis.server().client.eval(lua, keyNames.length, ...values);
    }
  }

  async function run(call: ScriptCall<Key, Arg>): Promise<Static<Reply>> {
    let raw: unknown;
    try {
      raw = await runHere(call);
    } catch (error) {
      throw toQuotaFault(error);
    }
    return checked(raw);
  }

  async function runEach(
    calls: readonly ScriptCall<Key, Arg>[],
  ): Promise<ItemOutcome<Static<Reply>>[]> {
    if (calls.length === 0) return [];
    const replies = await redis.run(async ({ client }) => {
      const pipeline = client.pipeline();
      for (const call of calls) pipeline.evalsha(sha, keyNames.length, ...valuesOf(call));
      return (await pipeline.exec()) ?? [];
    });
    const outcomes: ItemOutcome<Static<Reply>>[] = [];
    for (const [index, call] of calls.entries()) {
      const [error, raw] = replies[index] ?? [new Error("the pipeline was cut short")];
      outcomes.push(isMissingScript(error) ? await runAgain(call) : outcomeOf(error, raw));
    }
    return outcomes;
  }

  function runAgain(call: ScriptCall<Key, Arg>): Promise<ItemOutcome<Static<Reply>>> {
    return runHere(call).then(
      (raw) => outcomeOf(null, raw),
      (error: unknown) => outcomeOf(error, undefined),
    );
  }

  function outcomeOf(error: unknown, raw: unknown): ItemOutcome<Static<Reply>> {
    if (isStoredFault(error)) return { ok: false, error };
    if (error !== null) throw toQuotaFault(error);
    return check.Check(raw) ? { ok: true, value: raw } : { ok: false, error: outOfShape(raw) };
  }

  return { run, runEach };
}
