import { encodeJson, type InferenceResult } from "../../core/request/payload.ts";
import { untilIdle } from "./clock.ts";
import type { Config, ModelConfig } from "../../core/config/schema.ts";
import type { GatewayPorts } from "../../gateway/ports.ts";
import type { FakeRequestStore } from "./fakes/request-store.ts";
import { createFakeGateway, testConfig } from "./gateway-world.ts";

const BODY = { model: "small", messages: [{ role: "user", content: "hello" }] };

/** Beside `small`, which chats: `words` completes, `vectors` embeds. */
function doorConfig(): Config {
  const config = testConfig({ gather_ms: 0 });
  const { small } = config.models;
  if (small === undefined) throw new Error("no model");
  const words: ModelConfig = { ...small, protocol: "openai-completions" };
  const vectors: ModelConfig = { ...small, protocol: "openai-embeddings" };
  return { ...config, models: { small, words, vectors } };
}

/** The gateway among fakes, called as OpenAI's SDKs call it. `overrides` are made of its store. */
export function createFakeDoor(
  overrides: (store: FakeRequestStore) => Partial<GatewayPorts> = () => ({}),
) {
  const config = doorConfig();
  const world = createFakeGateway((store) => ({ config: () => config, ...overrides(store) }));
  const { finishRequests } = world.store;

  async function finish(
    requestId: string,
    result: InferenceResult | null,
    more: {
      state?: "completed" | "failed";
      error?: { code: "UPSTREAM_REJECTED"; message: string };
    } = {},
  ): Promise<void> {
    const { state = "completed", error = null } = more;
    await finishRequests([
      {
        requestId,
        state,
        attempts: 1,
        startedAtMs: 1,
        completedAtMs: 2,
        usage:
          result === null
            ? null
            : { promptTokens: 5, completionTokens: 7, source: "reported" as const },
        error,
        result: result && encodeJson(result),
      },
    ]);
    await world.signals.announceFinished([requestId]);
    await untilIdle();
  }

  return {
    ...world,
    config,
    finish,
    /** Makes a call and lets it get as far as it gets by itself. */
    post: async (
      path = "/v1/chat/completions",
      body: object = BODY,
      headers: Record<string, string> = {},
      signal?: AbortSignal,
    ): Promise<{ response: Promise<Response> }> => {
      const request = new Request(`http://localhost${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${world.key}`,
          "content-type": "application/json",
          ...headers,
        },
        body: JSON.stringify(body),
        ...(signal ? { signal } : {}),
      });
      const response = Promise.resolve(world.gateway.app.handle(request));
      await untilIdle();
      // In an object, or awaiting the call would await its answer.
      return { response };
    },
  };
}
