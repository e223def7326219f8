import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

/** What `bun audit` found out. */
export type Advisories =
  | { kind: "none" }
  | { kind: "found"; output: string }
  /** The registry has no advisories to ask for, or is away: nothing is known. */
  | { kind: "unknown"; reason: string };

const LIMIT_MS = 60_000;

/**
 * Asks the registry for known weaknesses, high or worse, of the packages that an image ships. Those of tools
 * that only develop Tollgate are not asked for.
 */
export async function findAdvisories(
  env: Record<string, string | undefined>,
  signal?: AbortSignal,
): Promise<Advisories> {
  const run = Bun.spawn(
    [process.execPath, "audit", "--prod", "--omit=peer", "--audit-level=high"],
    {
      cwd: PROJECT_ROOT,
      env: { ...env, FORCE_COLOR: "0" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: LIMIT_MS,
      ...(signal && { signal }),
    },
  );
  const [output, errors, exitCode] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
    run.exited,
  ]);
  if (exitCode === 0) return { kind: "none" };
  // It ends with 1 both where it found something and where it could not ask.
  const reason = /^error: (.*)$/m.exec(errors)?.[1];
  if (reason !== undefined || exitCode === null || output.trim() === "")
    return { kind: "unknown", reason: reason ?? "the registry did not answer" };
  return { kind: "found", output };
}
