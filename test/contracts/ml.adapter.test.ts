import { createCertificates } from "../../adapters/tls/certificates.ts";
import { silentLog } from "../../runtime/log.ts";
import { createInfer } from "../../adapters/ml/infer.ts";
import { ML_MODEL, ML_PAYLOAD } from "../support/ml-server.ts";
import { describeMlContract, type MlCall } from "./ml.ts";

describeMlContract("HTTP", async () => {
  let onCall: (call: MlCall) => void = () => {};
  let calls = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: ({ signal }) => {
      const { promise, resolve } = Promise.withResolvers<Response>();
      calls += 1;
      onCall({
        reply: (texts, usage) => resolve(Response.json(bodyOf(texts, usage))),
        refuseAsBusy: (retryAfterMs) => {
          const headers = { "retry-after": String(retryAfterMs / 1_000) };
          resolve(new Response("busy", { status: 429, headers }));
        },
        isGone: new Promise((gone) => signal.addEventListener("abort", () => gone())),
      });
      return promise;
    },
  });
  return {
    infer: createInfer(() => undefined, createCertificates({ log: silentLog })),
    config: { ...ML_MODEL, url: `http://127.0.0.1:${server.port}/`, timeout_ms: 200 },
    payload: ML_PAYLOAD,
    nextCall: () =>
      new Promise((resolve) => {
        onCall = resolve;
      }),
    callsSoFar: () => calls,
    // The adapter goes by the clock of this machine: its own time limit is waited for.
    pass: async () => {},
    stop: () => server.stop(true),
  };
});

const bodyOf = (texts: string[], usage: Parameters<MlCall["reply"]>[1]) => ({
  choices: texts.map((content, index) => ({
    index,
    message: { role: "assistant", content },
    finish_reason: "stop",
  })),
  ...(usage === null
    ? {}
    : { usage: { prompt_tokens: usage.promptTokens, completion_tokens: usage.completionTokens } }),
});
