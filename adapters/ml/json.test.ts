import { expect, test } from "bun:test";

import { createJsonProtocol } from "./json.ts";

const mapping = { request: '{"input": prompt, "cap": max_tokens}', text: "output" };
const call = {
  payload: { input: { prompt: "Why?" }, maxTokens: 10, n: 1, parameters: {} },
  upstreamModel: "small",
};

/** Longer than an evaluation may take. */
function blockTheProcess(): void {
  const untilMs = performance.now() + 300;
  while (performance.now() < untilMs);
}

test("a request is written although the process stood still meanwhile", async () => {
  const { writeRequest } = createJsonProtocol(mapping);

  const written = writeRequest(call);
  blockTheProcess();

  expect(await written).toEqual({ input: "Why?", cap: 10 });
});
