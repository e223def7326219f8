import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

const VERSION = "4.32.5";
const FOLDER = join(import.meta.dir, `../../.tollgate/schemathesis-${VERSION}`);
const INSTALL_LIMIT_MS = 240_000;

/**
 * The program `schemathesis`, installed from PyPI below `.tollgate/` unless it is there; undefined, with one
 * line that says why, where it cannot be had.
 */
export async function bringSchemathesis(): Promise<string | undefined> {
  const program = join(FOLDER, "bin/schemathesis");
  const isWhole = join(FOLDER, "installed");
  if (existsSync(isWhole)) return program;
  try {
    await rm(FOLDER, { recursive: true, force: true });
    await mkdir(join(FOLDER, ".."), { recursive: true });
    await run(["python3", "-m", "venv", FOLDER]);
    await run([join(FOLDER, "bin/pip"), "install", "--quiet", `schemathesis==${VERSION}`]);
    await Bun.write(isWhole, VERSION);
    return program;
  } catch (error) {
    await rm(FOLDER, { recursive: true, force: true });
    process.stderr.write(`The OpenAPI document is not tried with Schemathesis: ${String(error)}\n`);
    return undefined;
  }
}

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, {
    stdout: "ignore",
    stderr: "ignore",
    timeout: INSTALL_LIMIT_MS,
  });
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed`);
}
