import { createTokenCounter } from "../../adapters/tokens/token-counter.ts";
import { mixedBodies, shortBodies } from "../prompts/prompts.ts";
import { measureAll, type Micro } from "./measure.ts";

const textOf = (body: { prompt?: string; messages?: { content: string }[] }): string =>
  body.prompt ?? (body.messages ?? []).map(({ content }) => content).join("\n");

const short = (await shortBodies(500)).map(textOf);
const mixed = (await mixedBodies(500)).map(textOf);
const long = mixed.filter((text) => text.length > 8_192);
const cjk = mixed.filter((text) => /\p{Script=Han}|\p{Script=Hangul}/u.test(text));
const code = mixed.filter((text) => text.includes("return "));
const run = "a".repeat(8_000);

function counting(name: string, texts: readonly string[]): Micro {
  const counter = createTokenCounter();
  return [name, (i) => counter.count(texts[i % texts.length] ?? "")];
}

await measureAll([
  counting("count tokens, 150 bytes", short),
  counting("count tokens, mixed, 2.2 KB in the mean", mixed),
  counting("count tokens, Chinese, Japanese and Korean, 900 B", cjk),
  counting("count tokens, code, 1.5 KB", code),
  counting("count tokens, 16 KB, in slices", long),
  counting("count tokens, 8,000 letters without a boundary", [run]),
]);
