import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Compiling takes minutes on two cores. */
const INSTALL_LIMIT_MS = 900_000;

/**
 * A program of a Go module, compiled below `.tollgate/` unless it is there: returns its path. Where it cannot
 * be had: undefined, and one line that says what is left out.
 */
export async function bringGoProgram(
  module: string,
  version: string,
  leftOut: string,
): Promise<string | undefined> {
  const name = module.split("/").at(-1) ?? module;
  const folder = join(import.meta.dir, `../../.tollgate/${name}-${version}`);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  try {
    if (Bun.which("go") === null) throw new Error("there is no Go on this machine");
    await mkdir(folder, { recursive: true });
    const child = Bun.spawn(["go", "install", `${module}@${version}`], {
      env: { ...process.env, GOBIN: folder },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      timeout: INSTALL_LIMIT_MS,
    });
    if ((await child.exited) !== 0) throw new Error(`go install ${module} failed`);
    return program;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    process.stderr.write(`${leftOut}: ${String(error)}\n`);
    return undefined;
  }
}
