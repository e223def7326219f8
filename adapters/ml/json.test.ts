import { expect, test } from "bun:test";

import { payloadOf } from "../../test/support/payloads.ts";
import { createJsonProtocol } from "./json.ts";

const mapping = { request: '{"input": prompt, "cap": max_tokens}', text: "output" };
const call = {
  payload: payloadOf(),
  isStreamed: false,
  upstreamModel: "small",
  fields: { max_tokens: "max_tokens" },
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

  expect((await written)?.parse()).toEqual({ input: "Why?", cap: 10 });
});
