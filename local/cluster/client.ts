export interface Ran {
  exitCode: number;
  out: string;
  err: string;
}

/** Runs kubectl or Helm on one cluster; `input` is what it reads from a file called `-`. */
export type Client = (
  args: readonly string[],
  input?: string,
  limits?: { limitMs?: number; signal?: AbortSignal },
) => Promise<Ran>;

const LIMIT_MS = 60_000;

/** A run that outlasts its limit is killed, and ends with an exit code of its own. */
export function clientOf(kubeconfig: string, program: string): Client {
  return async (args, input = "", { limitMs = LIMIT_MS, signal } = {}) => {
    const run = Bun.spawn([program, ...args], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdin: new TextEncoder().encode(input),
      stdout: "pipe",
      stderr: "pipe",
      timeout: limitMs,
      ...(signal && { signal }),
    });
    const [out, err, exitCode] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    return { exitCode, out, err };
  };
}

/** What it printed, of a run that must succeed. */
export async function mustRun(run: Promise<Ran>): Promise<string> {
  const { exitCode, out, err } = await run;
  if (exitCode !== 0) throw new Error(`it ended with ${exitCode}: ${err}`);
  return out;
}
