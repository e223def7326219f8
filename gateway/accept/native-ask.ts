import type { Ask } from "../../core/request/ask.ts";
import { CHAT_PARAMETER_NAMES, type GenerateBody } from "../../core/request/generate-body.ts";
import { invalidField } from "../../core/faults.ts";
import { JsonText, membersOf } from "../../core/json/json-text.ts";
import type { PayloadInput } from "../../core/request/payload.ts";

/**
 * The fields of a body as they were written.
 *
 * @throws {Fault} BODY_INVALID when one is given twice: two readers could take two different ones
 */
export function fieldsOf(body: JsonText): Map<string, JsonText> {
  const fields = new Map<string, JsonText>();
  for (const [name, text] of membersOf(body)) {
    if (fields.has(name)) throw invalidField(`/${name}`, "is given twice");
    fields.set(name, text);
  }
  return fields;
}

/**
 * What a body of `POST /generate` asks for.
 *
 * @throws {Fault} BODY_INVALID
 */
export function nativeAsk(value: GenerateBody, body: JsonText): Ask {
  const fields = fieldsOf(body);
  return {
    model: value.model,
    input: inputOf(value, fields),
    maxTokens: value.max_tokens,
    n: value.n,
    parameters: parametersOf(fields),
    isStreamed: value.stream === true,
    metadata: fields.get("metadata"),
    queueTtl: value.queue_ttl,
    deadline: value.deadline,
    priority: value.priority,
    body,
    door: "native",
  };
}

const INPUTS = ["prompt", "messages", "input"] as const;

function inputOf(value: GenerateBody, fields: ReadonlyMap<string, JsonText>): PayloadInput {
  const given = INPUTS.filter((name) => fields.has(name));
  const [first, second] = given;
  if (first === undefined) throw invalidField("/prompt", "give `prompt`, `messages` or `input`");
  if (second !== undefined) throw invalidField(`/${second}`, `is given beside \`${first}\``);
  const text = fields.get(first)?.text ?? "";
  switch (first) {
    case "prompt":
      return { prompt: new JsonText(text, value.prompt) };
    case "messages":
      return { messages: new JsonText(text, value.messages) };
    case "input":
      return { input: new JsonText(text, value.input) };
  }
}

function parametersOf(fields: ReadonlyMap<string, JsonText>): Map<string, JsonText> {
  const given = fields.get("parameters");
  const parameters = given === undefined ? new Map<string, JsonText>() : fieldsOf(given);
  for (const name of CHAT_PARAMETER_NAMES) {
    const field = fields.get(name);
    if (field === undefined) continue;
    if (parameters.has(name))
      throw invalidField(`/parameters/${name}`, `is given as \`${name}\` too`);
    parameters.set(name, field);
  }
  return parameters;
}
