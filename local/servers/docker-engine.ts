/** An engine that is not there is known at once; one that hangs must not hold up the command. */
const ANSWER_LIMIT_MS = 5_000;
const REMOVE_LIMIT_MS = 30_000;
const LINE_CHARS_MAX = 200;

type Answer = { output: string } | { problem: string };

/** Asks a program of Docker something that costs little. */
function ask(command: readonly string[], limitMs = ANSWER_LIMIT_MS): Answer {
  try {
    const { success, exitedDueToTimeout, stdout, stderr } = Bun.spawnSync([...command], {
      stdout: "pipe",
      stderr: "pipe",
      timeout: limitMs,
      // The docker command takes a SIGTERM for a wish.
      killSignal: "SIGKILL",
    });
    if (success) return { output: stdout.toString().trim() };
    if (exitedDueToTimeout === true) return { problem: `no answer within ${limitMs / 1000} s` };
    const said = stderr.toString().trim().split("\n")[0] ?? "";
    return { problem: said.slice(0, LINE_CHARS_MAX) };
  } catch {
    return { problem: `${command[0]} cannot be run` };
  }
}

/**
 * Why no Docker Engine can be used; undefined when one answers. The program alone proves nothing: it may be a
 * client without an engine.
 */
export function findEngineProblem(): string | undefined {
  if (Bun.which("docker") === null) return "the docker command is not on PATH";
  const answer = ask(["docker", "version", "--format", "{{.Server.Version}}"]);
  return "problem" in answer ? `no Docker Engine answers (${answer.problem})` : undefined;
}

/**
 * Whether an engine at this address runs on this machine, where it can read our files and we can reach its
 * loopback.
 */
export function isEngineHere(address: string): boolean {
  if (!URL.canParse(address)) return true;
  const { protocol, hostname } = new URL(address);
  if (protocol === "unix:" || protocol === "npipe:") return true;
  return ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
}

/** The Compose of this machine, or why there is none that could run the servers of `up`. */
export function findCompose(): { command: readonly string[] } | { problem: string } {
  const problem = findEngineProblem();
  if (problem !== undefined) return { problem };
  // It follows DOCKER_HOST. What only calls itself docker may not know contexts, and runs here.
  const address = ask(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
  if ("output" in address && !isEngineHere(address.output)) {
    return { problem: `the Docker Engine runs on another machine (${address.output})` };
  }
  const commands = [["docker", "compose"], ["docker-compose"]];
  const command = commands.find((words) => "output" in ask([...words, "version"]));
  return command === undefined
    ? { problem: "Compose is missing: install the Compose plug-in of Docker" }
    : { command };
}

export function findComposeProblem(): string | undefined {
  const found = findCompose();
  return "problem" in found ? found.problem : undefined;
}

/**
 * The containers that pass all filters of `docker ps`, running or not, with the value of one label; none when
 * Docker does not tell.
 */
export function findContainers(
  filters: readonly string[],
  label: string,
): { id: string; isRunning: boolean; labelled: string }[] {
  const command = ["docker", "ps", "--all", "--no-trunc"];
  const format = `--format={{.ID}} {{.State}} {{.Label "${label}"}}`;
  const answer = ask([...command, ...filters.map((filter) => `--filter=${filter}`), format]);
  if (!("output" in answer)) return [];
  return answer.output
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [id = "", state, ...words] = line.split(" ");
      return { id, isRunning: state === "running", labelled: words.join(" ") };
    });
}

/** Ends containers and deletes them with their volumes. */
export function removeContainers(ids: readonly string[]): void {
  if (ids.length > 0) ask(["docker", "rm", "--force", "--volumes", ...ids], REMOVE_LIMIT_MS);
}
