import { expect, test } from "bun:test";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

async function tollgate(...args: string[]): Promise<{ exitCode: number; out: string }> {
  const run = Bun.spawn([join(PROJECT_ROOT, "tollgate"), ...args], {
    env: { PATH: process.env["PATH"] ?? "" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, exitCode] = await Promise.all([new Response(run.stdout).text(), run.exited]);
  return { exitCode, out };
}

/** Without the line breaks that depend on the width of the terminal. */
const words = (text: string): string => text.replaceAll(/\s+/g, " ");

test.each(["test", "bench", "drill"])(
  "./tollgate runs %s, which the commands only list, and both describe it alike",
  async (name) => {
    const [list, asked, help] = await Promise.all([
      tollgate("--help"),
      tollgate(name, "--help"),
      tollgate("help", name),
    ]);
    const [usage = "", about = ""] = asked.out.split("\n\n");

    expect(usage).toStartWith(`Usage: tollgate ${name} [options]`);
    expect(words(list.out)).toContain(`${name} ${words(about)} `);
    expect(help).toEqual(asked);
  },
);

test("a wrong use of ./tollgate test ends it with the exit code of a wrong use", async () => {
  expect((await tollgate("test", "no-such-stage")).exitCode).toBe(2);
});
