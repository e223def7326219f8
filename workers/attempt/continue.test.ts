import { describe, expect, test } from "bun:test";

import { JsonText } from "../../core/json/json-text.ts";
import type { DeltaEntry } from "../../core/request/delta-entry.ts";
import { FIRST_POSITION } from "../../core/request/delta-entry.ts";
import { silentLog } from "../../runtime/log.ts";
import { payloadOf } from "../../test/support/payloads.ts";
import { MODEL } from "../../test/support/worker-world.ts";
import { findContinuation } from "./continue.ts";

const HEAD = {
  requestId: "r",
  userId: "u",
  model: "m",
  windowDay: "2026-11-21",
  estimatedTokens: 1,
  createdAtMs: 0,
  expiresAtMs: 1,
};
const PAYLOAD = payloadOf({ input: { prompt: "hello" }, maxTokens: 100, isStreamed: true });
const begins: DeltaEntry = { position: "1-0", pieces: null, isContinued: false };
const says = (
  position: string,
  content: string,
  finish_reason: string | null = null,
): DeltaEntry => ({
  position,
  pieces: [JsonText.of([{ index: 0, delta: { content }, finish_reason }])],
});

/** What is left to do, when these entries are there. */
const findAfter = (...entries: DeltaEntry[]) =>
  findContinuation(
    {
      log: silentLog,
      countTokens: async (text) => text.split(" ").length,
      readDeltas: async (asked) =>
        asked.map(({ after }) => (after === FIRST_POSITION ? entries : [])),
    },
    HEAD,
    PAYLOAD,
    { ...MODEL, continuation: "final_message" },
  );

describe("an answer whose worker has died", () => {
  test("goes on from what was said", async () => {
    const left = await findAfter(begins, says("1-1", "The answer"), says("1-2", " is"));

    expect(left?.choices[0]?.text).toBe("The answer is");
    expect(left?.payload?.maxTokens).toBe(97);
  });

  test("only lacks its end when all of it was said", async () => {
    const left = await findAfter(begins, says("1-1", "42", "stop"));

    expect(left).toMatchObject({ payload: null, choices: [{ text: "42" }] });
  });

  test.each([
    ["the beginning", [says("1-2", " is"), says("1-3", " 42", "stop")]],
    ["something between", [begins, says("1-1", "The answer"), says("1-3", " 42", "stop")]],
  ])("is begun anew when %s was lost", async (_, entries) => {
    expect(await findAfter(...entries)).toBeNull();
  });
});
