interface Options {
  /** What it reads from standard input. */
  input?: string | undefined;
  env?: Record<string, string | undefined> | undefined;
  limitMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const LIMIT_MS = 60_000;

/** What a command prints. @throws when it does not end well within the limit, with what it said */
export async function runCommand(
  command: readonly string[],
  { input = "", env = process.env, limitMs = LIMIT_MS, signal }: Options = {},
): Promise<string> {
  const run = Bun.spawn([...command], {
    env,
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
    timeout: limitMs,
    ...(signal === undefined ? {} : { signal }),
  });
  const [out, err, exitCode] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
    run.exited,
  ]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${err.trim()}`);
  return out;
}
