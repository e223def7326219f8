import { type Static, Type as t } from "@sinclair/typebox";

import { present, reader, type SimCall, simCall, type SimProtocol, type Tool } from "./calls.ts";
import type { Choice, Piece } from "./choices.ts";
import { wishOf } from "./markers.ts";
import { chatLogprobs, chunk, envelope, FIELDS, usageFields } from "./openai-reply.ts";

const Part = t.Object({ type: t.String(), text: t.Optional(t.String()) });
const Message = t.Object({
  role: t.Optional(t.String()),
  content: t.Optional(t.Union([t.String(), t.Null(), t.Array(Part)])),
});
const Body = t.Object({
  messages: t.Array(Message, { minItems: 1 }),
  model: FIELDS.model,
  max_tokens: FIELDS.maxTokens,
  max_completion_tokens: FIELDS.maxTokens,
  n: FIELDS.n,
  stream: FIELDS.stream,
  stream_options: FIELDS.streamOptions,
  logprobs: t.Optional(t.Boolean()),
  top_logprobs: t.Optional(t.Integer({ minimum: 0, maximum: 20 })),
  tools: t.Optional(
    t.Array(
      t.Object({
        function: t.Object({ name: t.String(), parameters: t.Optional(t.Unknown()) }),
      }),
    ),
  ),
  tool_choice: t.Optional(
    t.Union([t.String(), t.Object({ function: t.Object({ name: t.String() }) })]),
  ),
  parallel_tool_calls: t.Optional(t.Boolean()),
  response_format: t.Optional(
    t.Object({
      type: t.String(),
      json_schema: t.Optional(t.Object({ schema: t.Optional(t.Unknown()) })),
    }),
  ),
  guided_json: t.Optional(t.Unknown()),
  continue_final_message: t.Optional(t.Boolean()),
  add_generation_prompt: t.Optional(t.Boolean()),
});
type Body = Static<typeof Body>;
type Message = Static<typeof Message>;

const TOOL_CALLS_MAX = 16;
/** What `json_object` leads to, which says no more than that it wants an object. */
const ANY_OBJECT = {
  type: "object",
  properties: { answer: { type: "string" }, simulator: { const: true } },
};

/** An image or a file has no text; its kind stands for it. */
function textOf({ content }: Message): string {
  if (!Array.isArray(content)) return content ?? "";
  return content.map(({ type, text }) => text ?? `[${type}]`).join("\n");
}

/**
 * Tools are called when the choice demands it, or when the last message is the user's and has the marker for
 * it. What a tool replied is answered with text.
 */
function toolsToCall(body: Body): Tool[] {
  const tools = (body.tools ?? []).map(({ function: { name, parameters } }): Tool => ({
    name,
    parameters,
  }));
  const { tool_choice: choice } = body;
  const last = body.messages.at(-1);
  if (last === undefined || last.role === "tool" || choice === "none") return [];
  if (typeof choice === "object") return tools.filter(({ name }) => name === choice.function.name);
  const wished = last.role === "user" ? wishOf(textOf(last), "tool", 1) : null;
  if (wished === null && choice !== "required") return [];
  const calls = body.parallel_tool_calls === false ? 1 : Math.min(wished ?? 1, TOOL_CALLS_MAX);
  return Array.from({ length: calls }, (_, i) => tools[i % tools.length] ?? []).flat();
}

function schemaOf({ response_format: format, guided_json: guided }: Body): unknown {
  if (format?.type === "json_schema") return format.json_schema?.schema ?? ANY_OBJECT;
  return format?.type === "json_object" ? ANY_OBJECT : guided;
}

function readBody(body: Body): SimCall | null {
  const { messages } = body;
  const last = messages.at(-1);
  const goesOn = body.continue_final_message === true && last?.role === "assistant";
  // As vLLM refuses it: the two contradict each other.
  if (goesOn && body.add_generation_prompt === true) return null;
  const prompt = (goesOn ? messages.slice(0, -1) : messages).map(textOf).join("\n");
  return simCall({
    prompt,
    toolCalls: toolsToCall(body),
    toolReply: last?.role === "tool" ? textOf(last) : null,
    begun: goesOn ? textOf(last) : null,
    schema: schemaOf(body),
    isStream: body.stream === true,
    includesUsage: body.stream_options?.include_usage === true,
    hasOldCapName: body.max_tokens !== undefined,
    logprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : null,
    ...present({
      model: body.model,
      n: body.n,
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
    }),
  });
}

function contentOf({ text, reasoning, toolCalls, isParts }: Choice): unknown {
  if (isParts) return partsOf(reasoning || "So.", text);
  return toolCalls.length > 0 && text === "" ? null : text;
}

const partsOf = (thinking: string, text: string) => [
  { type: "thinking", thinking: [{ type: "text", text: thinking }] },
  { type: "text", text },
];

function messageOf(choice: Choice) {
  const { reasoning, toolCalls } = choice;
  return {
    role: "assistant",
    content: contentOf(choice),
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(toolCalls.length === 0
      ? {}
      : {
          tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({
            id,
            type: "function",
            function: { name, arguments: text },
          })),
        }),
  };
}

function deltaOf(piece: Piece) {
  switch (piece.kind) {
    case "text":
      return { content: piece.isParts ? [{ type: "text", text: piece.text }] : piece.text };
    case "reasoning":
      return { reasoning_content: piece.text };
    case "tool_call":
      return {
        tool_calls: [
          {
            index: piece.call,
            id: piece.id,
            type: "function",
            function: { name: piece.name, arguments: "" },
          },
        ],
      };
    case "arguments":
      return { tool_calls: [{ index: piece.call, function: { arguments: piece.text } }] };
  }
}

const CHUNK = "chat.completion.chunk";

/** https://platform.openai.com/docs/api-reference/chat, with what vLLM adds to it. */
export const chat: SimProtocol = {
  read: reader(Body, readBody),
  write: (call, outputs, usage) => {
    const choices = outputs.map((output, index) => ({
      index,
      message: messageOf(output),
      finish_reason: output.finishReason,
      ...(call.logprobs === null ? {} : { logprobs: chatLogprobs(output.text, call.logprobs) }),
    }));
    const reply = envelope("chat.completion", call, choices);
    return usage === null ? reply : { ...reply, usage: usageFields(usage) };
  },
  chunks: {
    begin: (call, index) =>
      chunk(CHUNK, call, [
        { index, delta: { role: "assistant", content: "" }, finish_reason: null },
      ]),
    piece: (call, index, piece) => {
      const logprobs =
        call.logprobs !== null && piece.kind === "text"
          ? { logprobs: chatLogprobs(piece.text, call.logprobs) }
          : {};
      return chunk(CHUNK, call, [
        { index, delta: deltaOf(piece), ...logprobs, finish_reason: null },
      ]);
    },
    finish: (call, index, finishReason) =>
      chunk(CHUNK, call, [{ index, delta: {}, finish_reason: finishReason }]),
    usage: (call, usage) => ({ ...envelope(CHUNK, call, []), usage: usageFields(usage) }),
  },
};
