import type { ModelConfig } from "../../core/config/schema.ts";
import { createJsonProtocol } from "./json.ts";
import { openaiChat } from "./openai-chat.ts";
import { openaiCompletions } from "./openai-completions.ts";
import { openaiEmbeddings } from "./openai-embeddings.ts";
import type { Protocol } from "./protocol.ts";

/**
 * How each `protocol` of the configuration is spoken. A new one needs its name in
 * `core/config/model-schema.ts`, a file beside this one, and its line here.
 */
const PROTOCOLS: Record<ModelConfig["protocol"], (config: ModelConfig) => Protocol> = {
  "openai-chat": () => openaiChat,
  "openai-completions": () => openaiCompletions,
  "openai-embeddings": () => openaiEmbeddings,
  json: ({ mapping }) => {
    if (mapping === undefined) throw new Error("the protocol json needs a mapping");
    return createJsonProtocol(mapping);
  },
};

/**
 * Returns a function that finds the protocol of a model. It makes a protocol once for each configuration
 * object: a reload makes new objects, so that a changed mapping is compiled again and the old one forgotten.
 * The function throws `MappingError` when an expression of the mapping does not compile.
 */
export function createProtocols(): (config: ModelConfig) => Protocol {
  const made = new WeakMap<ModelConfig, Protocol>();
  return (config) => {
    const protocol = made.get(config) ?? PROTOCOLS[config.protocol](config);
    made.set(config, protocol);
    return protocol;
  };
}
