import { expect } from "bun:test";

import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import { commandsOn } from "./command.ts";

const test = testsOnStack();

test("generate prints the text on standard output and the bill beside it", async (stack) => {
  const { apiKey } = await stack.addUser();
  const tollgate = commandsOn(stack, { TOLLGATE_API_KEY: apiKey });

  const { exitCode, out, err } = await tollgate(
    "generate",
    "why is the sky blue",
    "--max-tokens",
    "40",
  );

  const { text, promptTokens, completionTokens } = simulatedAnswer("why is the sky blue", 40);
  expect(exitCode).toBe(0);
  expect(out).toBe(`${text}\n`);
  expect(err).toContain(`${promptTokens + completionTokens} used`);
});

test("generate says by its exit code how a request ended", async (stack) => {
  const { apiKey } = await stack.addUser();
  const poor = await stack.addUser({ daily: { requests: 0 } });
  const tollgate = commandsOn(stack, { TOLLGATE_API_KEY: apiKey });

  const codes = await Promise.all(
    [
      ["x [[sim:400]]"],
      ["x", "--model", "nope"],
      ["x", "--key", poor.apiKey],
      ["x", "--url", "http://127.0.0.1:1"],
      ["x [[sim:slow:3000]]", "--timeout", "1"],
      ["x", "--no-wait"],
    ].map(async (args) => (await tollgate("generate", ...args)).exitCode),
  );

  expect(codes).toEqual([1, 2, 5, 6, 7, 0]);
});
