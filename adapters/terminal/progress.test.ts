import { expect, test } from "bun:test";

import { createProgress } from "./progress.ts";

const recorder = (isTTY: boolean) => {
  const texts: string[] = [];
  return { texts, isTTY, write: (text: string) => texts.push(text) };
};

test("without a terminal each step is one plain line", async () => {
  const output = recorder(false);
  const progress = createProgress(output);

  await progress.step("Redis", () => Promise.resolve({ detail: "port 1" }));
  const failure: unknown = await progress
    .step("RabbitMQ", () => Promise.reject(new Error("broken")))
    .catch((error: unknown) => error);

  expect(failure).toEqual(new Error("broken"));
  expect(output.texts.map((text) => text.replace(/\d+\.\d s/, "T"))).toEqual([
    "✓ Redis: port 1 (T)\n",
    "✗ RabbitMQ (T)\n",
  ]);
});

test("on a terminal the last line shows what is under way and is cleared in the end", async () => {
  const output = recorder(true);
  const progress = createProgress(output);

  await Promise.all([
    progress.step("a", () => Promise.resolve({})),
    progress.step("b", () => Promise.resolve({})),
  ]);

  expect(output.texts.join("")).toContain("… a, b");
  expect(output.texts.at(-1)).toBe("\r\u001B[2K");
});
