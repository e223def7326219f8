import { expect, test } from "bun:test";
import { join } from "node:path";

/** What a process writes that makes a log and does `work` with it. */
async function linesOf(work: string): Promise<Record<string, unknown>[]> {
  const script = `import { createLog } from ${JSON.stringify(join(import.meta.dir, "log.ts"))};
    const log = createLog("worker"); ${work}`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const text = await new Response(child.stdout).text();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("lines below the configured level are not written", async () => {
  const lines = await linesOf(
    `log.debug({}, "a"); log.info({}, "b"); log.setLevel("warn"); log.info({}, "c"); log.warn({}, "d");`,
  );

  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    ["info", "b"],
    ["warn", "d"],
  ]);
});

test("what client libraries attach to their errors is not written, and causes are", async () => {
  const [line] = await linesOf(
    `const attached = { code: "E1", parameters: ["secret"], command: { args: ["secret"] } };
     const cause = Object.assign(new Error("refused"), attached);
     log.error({ err: new Error("failed", { cause }) }, "x");`,
  );

  expect(line).toMatchObject({
    err: { message: "failed", cause: { message: "refused", code: "E1" } },
  });
  expect(JSON.stringify(line)).not.toContain("secret");
});
