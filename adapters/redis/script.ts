import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { RedisConnection } from "./connection.ts";
import { replyErrorCode, toQuotaFault } from "./replies.ts";

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
  /** Runs the script once. Throws `QUOTA_UNAVAILABLE`; then it may have run or not. */
  run: (call: ScriptCall<Key, Arg>) => Promise<Reply>;
  /** Runs the script once per call, in order, in one write. Throws `QUOTA_UNAVAILABLE`; then any of the calls may have run. */
  runAll: (calls: readonly ScriptCall<Key, Arg>[]) => Promise<Reply[]>;
}

const isMissingScript = (error: unknown): boolean => replyErrorCode(error) === "NOSCRIPT";

/** A script typed by the names of its keys and arguments; called by digest, sent in full only where Redis has forgotten it. */
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
    throw new Error(`a script answered out of shape: ${JSON.stringify(check.Errors(raw).First())}`);
  }

  async function run(call: ScriptCall<Key, Arg>): Promise<Static<Reply>> {
    const { client } = redis.server();
    const values = valuesOf(call);
    let raw: unknown;
    try {
      raw = await client.evalsha(sha, keyNames.length, ...values);
    } catch (error) {
      if (!isMissingScript(error)) throw toQuotaFault(error);
      // Forgotten by a restart or SCRIPT FLUSH: it has not run, so it is safe to send again.
      raw = await redis.run((server) => server.client.eval(lua, keyNames.length, ...values));
    }
    return checked(raw);
  }

  async function runAll(calls: readonly ScriptCall<Key, Arg>[]): Promise<Static<Reply>[]> {
    if (calls.length === 0) return [];
    const outcomes = await redis.run(async ({ client }) => {
      const pipeline = client.pipeline();
      for (const call of calls) pipeline.evalsha(sha, keyNames.length, ...valuesOf(call));
      return (await pipeline.exec()) ?? [];
    });
    const replies: Static<Reply>[] = [];
    for (const [index, call] of calls.entries()) {
      const [error, raw] = outcomes[index] ?? [new Error("the pipeline was cut short")];
      if (error && !isMissingScript(error)) throw toQuotaFault(error);
      replies.push(error ? await run(call) : checked(raw));
    }
    return replies;
  }

  return { run, runAll };
}
