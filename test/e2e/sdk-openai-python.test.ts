/** OpenAI's own client for Python, unchanged, does through the door what it does at OpenAI. */
import { trustEnvironment } from "../support/servers.ts";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { bringPythonPackage } from "../support/python-package.ts";
import { billsOf } from "../support/sdks/bills.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import { withStack } from "../support/stack/stack-tests.ts";

const VERSION = "3.57.0";
const RUN_LIMIT_MS = 90_000;

const programs = await bringPythonPackage(
  "openai",
  VERSION,
  "The OpenAI door is not tried with OpenAI's client for Python",
);

/** What the program printed for each case, by its name. */
async function runCases(env: Record<string, string>): Promise<Record<string, unknown>> {
  const child = Bun.spawn(
    [join(programs ?? "", "python"), join(import.meta.dir, "sdk_openai.py")],
    {
      env: { ...env, ...trustEnvironment() },
      stdout: "pipe",
      stderr: "pipe",
      timeout: RUN_LIMIT_MS,
    },
  );
  const [said, complaints] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(complaints);
  const lines = said.trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const { case: name, ...result } = JSON.parse(line) as { case: string };
      return [name, result];
    }),
  );
}

const refusal = (of: { class: string; code: string; message: RegExp }) => ({
  ...of,
  message: expect.stringMatching(of.message),
  calls: 1,
});
const text = (prompt: string, maxTokens = 40): string => simulatedAnswer(prompt, maxTokens).text;

test.skipIf(programs === undefined)(
  "OpenAI's client for Python gets answers, vectors, streams and helpful errors, and each is billed once",
  () =>
    withStack({ settings: { models: { "sim-chat": { timeout_ms: 20_000 } } } }, async (stack) => {
      const user = await stack.addUser();
      const spent = await stack.addUser({ daily: { requests: 0 } });
      const { calls } = await stack.simulator.stats();

      const cases = await runCases({
        BASE_URL: `${stack.url}/v1`,
        API_KEY: user.apiKey,
        SPENT_KEY: spent.apiKey,
      });

      const id = expect.stringMatching(/^[0-9a-f-]{36}$/);
      expect(cases).toMatchObject({
        chat: {
          id: expect.stringMatching(/^chatcmpl-/),
          request_id: id,
          texts: [text("Why is the sky blue?"), expect.any(String)],
          receipt: { request_id: id, tokens: { used: expect.any(Number) } },
        },
        tools: {
          content: null,
          finish_reason: "tool_calls",
          name: "weather",
          arguments: { city: expect.any(String) },
        },
        parsed: { name: expect.any(String), age: expect.any(Number) },
        embeddings: { lengths: [64, 64], difference: expect.closeTo(0, 6) },
        models: { ids: expect.arrayContaining(["sim-chat"]), one: "sim-chat" },
        slow: { request_id: id, text: text("slow [[sim:slow:6500]]") },
        stream: { text: text("Stream it"), roles: ["assistant"], tokens: expect.any(Number) },
        stream_helper: {
          kinds: expect.arrayContaining(["chunk", "content.delta", "content.done"]),
          roles: ["assistant", "assistant"],
          texts: [text("Stream two", 200), expect.any(String)],
        },
        stream_tools: {
          names: ["weather", "weather"],
          arguments: [{ city: expect.any(String) }, { city: expect.any(String) }],
        },
        wrong_key: refusal({
          class: "AuthenticationError",
          code: "invalid_api_key",
          message: /key/,
        }),
        unknown_model: refusal({
          class: "NotFoundError",
          code: "model_not_found",
          message: /model/,
        }),
        bad_field: refusal({
          class: "UnprocessableEntityError",
          code: "body_invalid",
          message: /\bn\b/,
        }),
        spent_quota: refusal({
          class: "RateLimitError",
          code: "insufficient_quota",
          message: /daily requests: 0 of 0/,
        }),
      });
      expect(cases["model_fails"]).toMatchObject({
        calls: 1,
        message: expect.stringMatching(/temperature must be at most 2/),
      });
      const bills = await billsOf(stack, user);
      const executed = bills.filter(({ rows }) => rows === 1);
      expect((await stack.simulator.stats()).calls - calls).toBe(executed.length);
      // Ten answers, of which two are of embeddings, and the failure.
      expect(bills.map(({ state }) => state).sort()).toEqual([
        ...Array.from({ length: 9 }, () => "completed"),
        "failed",
      ]);
      const { differences, holdsOpen } = await stack.books.audit();
      expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
    }),
  RUN_LIMIT_MS + 60_000,
);
