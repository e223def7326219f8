import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import o200k from "tiktoken/encoders/o200k_base.json" with { type: "json" };
import { Tiktoken } from "tiktoken/lite";

import { createTokenCounter } from "./token-counter.ts";

const reference = new Tiktoken(o200k.bpe_ranks, o200k.special_tokens, o200k.pat_str);
const counter = createTokenCounter();
const exact = (text: string): number => reference.encode_ordinary(text).length;

const ENGLISH =
  "The gate keeper's ledger shows 1,204 tokens; it DIDN'T lose any.\n\n" +
  "  Next line, with\ttabs and 3.14159.\r\n";
const CODE =
  'export function f(x: number): string {\n    return `${x}`; // comment\n}\n\n\nconst a = {"b": [1, 2]};\n';
const MIXED = "价格是一百二十元。 こんにちは世界 Привет, мир! 🙂👩‍👩‍👧‍👦 naïve café ſ's I'LL we'Re ";

describe("counting tokens", () => {
  test.each([
    ENGLISH,
    CODE,
    MIXED,
    "",
    " ",
    "\n\n \n",
    "a",
    "'s 'S 'll",
    "   leading",
    "http://x.y/z?q=1\n/\n",
  ])("equals tiktoken for %j", async (text) => {
    expect(await counter.count(text)).toBe(exact(text));
  });

  test("equals tiktoken for arbitrary short texts", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
        expect(counter.count(text)).toBe(exact(text));
      }),
      { numRuns: 500 },
    );
  });

  test("equals tiktoken for any order of characters that its pattern tells apart", () => {
    const visible = "a Z 中 ª ʰ 1 ² ! / ' \" _ ǅ ſ К 🙂 𝔘 𝟘 's 'LL 've //".split(" ");
    const blank = [" ", "\t", "\n", "\r", "\u00a0", "\u3000", "\u0301", "\u0903", "\ud800"];
    const unit = fc.constantFrom(...visible, ...blank);
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
        expect(counter.count(text)).toBe(exact(text));
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ["english", ENGLISH.repeat(500)],
    ["code", CODE.repeat(500)],
    ["mixed scripts", MIXED.repeat(500)],
  ])("of a long text in slices stays within 0.2 %% of tiktoken: %s", async (_name, text) => {
    const expected = exact(text);

    const counted = await counter.count(text);

    expect(Math.abs(counted - expected) / expected).toBeLessThan(0.002);
  });

  test.each([
    ["one character", "a".repeat(1_048_576)],
    ["blanks", " ".repeat(1_048_576)],
    ["CJK", "価格格子一二三四五六".repeat(100_000)],
    ["emoji", "🙂👩‍👩‍👧‍👦".repeat(80_000)],
    [
      "base64",
      Buffer.from(new Uint8Array(786_432).map((_, i) => (i * 2_654_435_761) >>> 24)).toString(
        "base64",
      ),
    ],
    ["digits", "1234567890".repeat(100_000)],
    ["punctuation", "!?".repeat(500_000)],
  ])("never blocks the event loop for long: 1 MB of %s", async (_name, text) => {
    // CPU time of this thread, not wall time: what else the machine does is not ours.
    let longestMs = 0;
    let last = process.threadCpuUsage();
    const timer = setInterval(() => {
      const { user, system } = process.threadCpuUsage(last);
      longestMs = Math.max(longestMs, (user + system) / 1_000);
      last = process.threadCpuUsage();
    }, 1);

    const tokens = await counter.count(text);
    clearInterval(timer);

    expect(tokens).toBeGreaterThan(0);
    // The promise is 25 ms; crowded caches and the collector of garbage take their part. The naive encoder
    // takes seconds here.
    expect(longestMs).toBeLessThan(50);
  });
});
