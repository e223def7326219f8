import jsonata from "jsonata";

import type { ModelConfig } from "../../core/config/schema.ts";
import { promptText } from "../../core/attempt/prompt-text.ts";
import { JsonText } from "../../core/json/json-text.ts";
import type { MlReply, Protocol } from "./protocol.ts";

export type JsonMapping = NonNullable<ModelConfig["mapping"]>;

/**
 * Bounds on one evaluation, checked at every step (`timeout` in milliseconds; the event loop may be blocked
 * for all of it). A single step (a regular expression, a built-in over a huge array) is not interrupted:
 * expressions come from the operator, only their input is untrusted, and the reply's size is bounded.
 */
const GUARDS = { timeout: 250, stack: 200, sequence: 100_000 } as const;
/** The code of JSONata's error when an evaluation has taken too long. */
const TOOK_TOO_LONG = "D1012";
/** How often an evaluation is begun that takes too long. */
const TRIES_MAX = 3;

type Evaluate = (input: unknown) => Promise<unknown>;

/** An expression of a mapping does not compile; the message says which one, and why. */
export class MappingError extends Error {
  override readonly name = "MappingError";
}

function compile(name: string, expression: string, again: Again): Evaluate {
  try {
    const compiled = jsonata(expression, GUARDS);
    return async (input) => {
      try {
        return (await compiled.evaluate(input)) as unknown;
      } catch (error) {
        if (!tookTooLong(error)) throw error;
        return again(() => compiled.evaluate(input));
      }
    };
  } catch (error) {
    // The library throws plain objects with code, position and message.
    const { message } = error as { message?: unknown };
    throw new MappingError(`mapping.${name}: ${String(message)}`, { cause: error });
  }
}

const tookTooLong = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === TOOK_TOO_LONG;

/** Evaluates again what took too long, while nothing else is evaluated again. */
type Again = (evaluate: () => Promise<unknown>) => Promise<unknown>;

/**
 * Time goes by the clock on the wall, also while other evaluations have their turn or the whole process has
 * none: that must not fail a request. One after the other, each has its time for itself.
 */
function createAgain(): Again {
  let before: Promise<unknown> = Promise.resolve();
  return (evaluate) => {
    const result = before.then(async () => {
      for (let tries = 2; ; tries += 1) {
        try {
          return await evaluate();
        } catch (error) {
          if (!tookTooLong(error) || tries === TRIES_MAX) throw error;
        }
      }
    });
    before = result.catch(() => {});
    return result;
  };
}

function textsOf(found: unknown): string[] | null {
  const texts: unknown[] = Array.isArray(found) ? found : [found];
  return texts.length > 0 && texts.every((text) => typeof text === "string") ? texts : null;
}

/** One finish reason for all choices, or one for each. */
function finishReasonOf(found: unknown, index: number): string | null {
  const reason: unknown = Array.isArray(found) ? found[index] : found;
  return typeof reason === "string" ? reason : null;
}

/**
 * Any HTTP service that takes and gives JSON, by JSONata expressions (https://docs.jsonata.org), compiled
 * once. `prompt` and `messages` are both there in the request's input, whichever the caller gave.
 *
 * @throws {MappingError} when an expression does not compile
 */
export function createJsonProtocol(mapping: JsonMapping): Protocol {
  const again = createAgain();
  const compileOptional = (name: string, expression: string | undefined): Evaluate | null =>
    expression === undefined ? null : compile(name, expression, again);
  const request = compile("request", mapping.request, again);
  const text = compile("text", mapping.text, again);
  const finishReason = compileOptional("finish_reason", mapping.finish_reason);
  const promptTokens = compileOptional("prompt_tokens", mapping.prompt_tokens);
  const completionTokens = compileOptional("completion_tokens", mapping.completion_tokens);
  const retryable = compileOptional("retryable", mapping.retryable);

  return {
    async writeRequest({ payload, upstreamModel }) {
      const { input, maxTokens, n, parameters } = payload;
      const prompt = promptText(input);
      const messages =
        "messages" in input ? input.messages.parse() : [{ role: "user", content: prompt }];
      const body = await request({
        prompt,
        messages,
        max_tokens: maxTokens,
        n,
        parameters: Object.fromEntries(
          [...parameters].map(([name, given]) => [name, given.parse()]),
        ),
        model: upstreamModel,
      });
      return body === undefined ? null : new JsonText(JSON.stringify(body));
    },
    async readReply(written): Promise<MlReply | null> {
      const reply = written.parse();
      const texts = textsOf(await text(reply));
      if (texts === null) return null;
      const reasons = await finishReason?.(reply);
      return {
        choices: texts.map((one, index) => ({
          text: one,
          finishReason: finishReasonOf(reasons, index),
        })),
        usage: {
          promptTokens: await promptTokens?.(reply),
          completionTokens: await completionTokens?.(reply),
        },
      };
    },
    async isRetryable(status, body) {
      const found = await retryable?.({ status, body });
      return typeof found === "boolean" ? found : null;
    },
  };
}
