import { createCertificates } from "../../adapters/tls/certificates.ts";
import { silentLog } from "../../runtime/log.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import type { InferenceOutcome } from "../../core/attempt/outcome.ts";
import { createInfer } from "../../adapters/ml/infer.ts";
import { payloadOf, type PayloadValues } from "./payloads.ts";

export interface SeenCall {
  path: string;
  headers: Headers;
  body: Record<string, unknown>;
}

export type Answer = (request: Request) => Response | Promise<Response>;

/** A real HTTP server on loopback in the place of an ML service; each call of `infer` says how it replies. */
export interface MlServer {
  url: string;
  seen: SeenCall[];
  infer: (
    answer: Answer,
    config?: Partial<ModelConfig>,
    payload?: Partial<PayloadValues>,
    signal?: AbortSignal,
  ) => Promise<InferenceOutcome>;
  stop: () => Promise<void>;
}

export const ML_MODEL: Omit<ModelConfig, "url"> = {
  protocol: "openai-chat",
  urls: [],
  headers: {},
  fields: { max_tokens: "max_tokens" },
  failed_finish_reasons: ["abort", "error"],
  allowed_parameters: ["*"],
  timeout_ms: 2_000,
  concurrency_max: 4,
  concurrency_min: 1,
  output_tokens_default: 16,
  output_tokens_max: 64,
  prompt_tokens_max: 1_000,
  reply_bytes_max: 100_000,
  media_tokens: 1_000,
  idle_timeout_ms: 60_000,
  stream_upstream: false,
  breaker_failures: 3,
  breaker_open_ms: 5_000,
  breaker_open_max_ms: 60_000,
};

export const ML_PAYLOAD = payloadOf();

export function startMlServer(): MlServer {
  let currentAnswer: Answer = () => new Response();
  const seen: SeenCall[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const body = (await request.json()) as Record<string, unknown>;
      seen.push({ path: new URL(request.url).pathname, headers: request.headers, body });
      return currentAnswer(request);
    },
  });
  const url = `http://127.0.0.1:${server.port}/v1`;
  const infer = createInfer(
    (name) => (name === "ML_KEY" ? "secret" : undefined),
    createCertificates({ log: silentLog }),
  );
  return {
    url,
    seen,
    infer(answer, config, payload, signal = new AbortController().signal) {
      currentAnswer = answer;
      return infer("small", { ...ML_MODEL, url, ...config }, payloadOf(payload), signal);
    },
    stop: () => server.stop(true),
  };
}

export const codeOf = (outcome: InferenceOutcome): string => (outcome.ok ? "ok" : outcome.code);
