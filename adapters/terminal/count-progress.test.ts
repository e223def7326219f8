import { expect, test } from "bun:test";

import { createCountProgress } from "./count-progress.ts";

const recorder = (isTTY: boolean) => {
  const texts: string[] = [];
  return { texts, isTTY, write: (text: string) => texts.push(text) };
};

test("long work says now and then how far it is, a line each where there is no terminal", () => {
  const output = recorder(false);
  let nowMs = 0;
  const progress = createCountProgress(output, 20_000, "cancelled", () => nowMs);

  progress.at(100);
  nowMs = 6_000;
  progress.at(1_500);
  progress.at(1_600);
  nowMs = 12_000;
  progress.at(3_000);
  progress.end();

  expect(output.texts).toEqual(["… 1,500 of 20,000 cancelled\n", "… 3,000 of 20,000 cancelled\n"]);
});

test("on a terminal it is one line, which is gone in the end", () => {
  const output = recorder(true);
  let nowMs = 0;
  const progress = createCountProgress(output, 2_000, "retried", () => nowMs);

  nowMs = 300;
  progress.at(500);
  progress.end();

  expect(output.texts).toEqual(["\r\u001B[2K… 500 of 2,000 retried", "\r\u001B[2K"]);
});
