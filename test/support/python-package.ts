import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

const INSTALL_LIMIT_MS = 240_000;

/**
 * A virtual environment of Python with a package of PyPI, below `.tollgate/`, made unless it is there:
 * returns its folder of programs. Where it cannot be had: undefined, and one line that says what is left
 * out.
 */
export async function bringPythonPackage(
  name: string,
  version: string,
  leftOut: string,
): Promise<string | undefined> {
  const folder = join(import.meta.dir, `../../.tollgate/${name}-${version}`);
  const programs = join(folder, "bin");
  const isWhole = join(folder, "installed");
  if (existsSync(isWhole)) return programs;
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(join(folder, ".."), { recursive: true });
    await run(["python3", "-m", "venv", folder]);
    await run([join(programs, "pip"), "install", "--quiet", `${name}==${version}`]);
    await Bun.write(isWhole, version);
    return programs;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    process.stderr.write(`${leftOut}: ${String(error)}\n`);
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
