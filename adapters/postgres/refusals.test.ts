import { expect, test } from "bun:test";

import { createRefusals } from "./refusals.ts";

function setUp() {
  let nowMs = 10_000;
  const refusals = createRefusals(
    () => nowMs,
    () => 1,
  );
  return { refusals, pass: (ms: number) => void (nowMs += ms) };
}

test("a server that refuses is tried by one statement at a time, with growing pauses, up to a bound", () => {
  const { refusals, pass } = setUp();
  const triedAtMs: number[] = [];

  for (let ms = 0; ms < 5_000; ms += 1, pass(1)) {
    if (refusals.current() !== undefined) continue;
    triedAtMs.push(ms);
    refusals.noteRefused("no");
  }

  expect(triedAtMs.slice(0, 7)).toEqual([0, 20, 60, 140, 300, 620, 1_120]);
  expect(triedAtMs).toHaveLength(14);
});

test("while one tries, the others learn of the last refusal; after a reply all may try", () => {
  const { refusals, pass } = setUp();
  refusals.noteRefused("no");
  pass(100);

  const one = refusals.current();
  const others = [refusals.current(), refusals.current()];
  refusals.noteReply();

  expect(one).toBeUndefined();
  expect(others).toEqual(["no", "no"]);
  expect(refusals.current()).toBeUndefined();
});

test("where connections stand, a refused one stops nobody", () => {
  const { refusals, pass } = setUp();
  refusals.noteReply();
  pass(200);

  refusals.noteRefused("no");

  expect(refusals.current()).toBeUndefined();
});
