import { join } from "node:path";

import type { GenerateBody } from "../../core/request/generate-body.ts";
import { seededRandom } from "../statistics.ts";

/** Lines of our own text; files of this folder. */
const readLines = async (name: string): Promise<string[]> =>
  (await Bun.file(join(import.meta.dir, `${name}.txt`)).text())
    .split("\n")
    .filter((line) => line !== "");

type Random = () => number;

/** Lines in random order until the text has at least so many bytes. */
function textOf(lines: readonly string[], bytes: number, random: Random, glue = " "): string {
  let text = "";
  while (Buffer.byteLength(text) < bytes) {
    const line = lines[Math.floor(random() * lines.length)] ?? "";
    text += `${text === "" ? "" : glue}${line}`;
  }
  return text;
}

/** Some turns of a conversation. */
function chat(prose: readonly string[], random: Random): GenerateBody {
  const system = "You are a careful assistant. Answer briefly and name your sources.";
  const messages: GenerateBody["messages"] = [{ role: "system", content: system }];
  const turns = 1 + Math.floor(random() * 3);
  for (let turn = 0; turn < turns; turn += 1) {
    if (turn > 0) messages.push({ role: "assistant", content: textOf(prose, 200, random) });
    messages.push({ role: "user", content: textOf(prose, 80, random) });
  }
  return { messages };
}

/**
 * What real callers send, as shares: 60 % chat turns (a few hundred bytes), 20 % texts of 2 KB, 8 % documents
 * of 16 KB, 6 % Chinese, Japanese and Korean, 6 % code. The mean is about 2.2 KB. The same at every run.
 */
export async function mixedBodies(count: number): Promise<GenerateBody[]> {
  const [prose = [], cjk = [], code = []] = await Promise.all(
    ["prose", "cjk", "code"].map(readLines),
  );
  const random = seededRandom(1);
  function body(kind: number): GenerateBody {
    if (kind < 0.6) return chat(prose, random);
    if (kind < 0.8) return { prompt: textOf(prose, 2_048, random) };
    if (kind < 0.88) return { prompt: textOf(prose, 16_384, random) };
    if (kind < 0.94) return { prompt: textOf(cjk, 900, random) };
    return { prompt: textOf(code, 1_500, random, "\n") };
  }
  return Array.from({ length: count }, () => ({ ...body(random()), max_tokens: 64 }));
}

/** Short questions of about 150 bytes, all different: what a bare acceptance costs. */
export async function shortBodies(count: number): Promise<GenerateBody[]> {
  const prose = await readLines("prose");
  const random = seededRandom(2);
  const body = () => ({ prompt: textOf(prose, 120, random), max_tokens: 64 });
  return Array.from({ length: count }, body);
}
