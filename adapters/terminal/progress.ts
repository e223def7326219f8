/**
 * Tells a person what is done: a line per finished step; on a terminal, one changing line of what goes on.
 */
export interface Progress {
  /** Runs the step and prints its line when it is over, with what `act` returns as `detail`. */
  step: <Result extends StepResult>(label: string, act: () => Promise<Result>) => Promise<Result>;
  say: (line: string) => void;
}

/** A step may tell something worth a word on its line, such as a port. */
export interface StepResult {
  detail?: string | undefined;
}

interface Output {
  write: (text: string) => unknown;
  isTTY?: boolean;
}

const CLEAR_LINE = "\r\u001B[2K";
const ANNOUNCE_AFTER_MS = 1_000;

const seconds = (sinceMs: number): string => `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;

export function createProgress(output: Output): Progress {
  const running = new Set<string>();
  const isTerminal = output.isTTY === true;

  function print(line: string): void {
    output.write(isTerminal ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
    showRunning();
  }

  function showRunning(): void {
    if (!isTerminal) return;
    output.write(running.size === 0 ? CLEAR_LINE : `${CLEAR_LINE}… ${[...running].join(", ")}`);
  }

  return {
    say: print,
    step: async (label, act) => {
      const started = Date.now();
      running.add(label);
      showRunning();
      // Without a terminal a long step would otherwise look like a stop.
      const announcement = setTimeout(() => {
        if (!isTerminal) output.write(`… ${label}\n`);
      }, ANNOUNCE_AFTER_MS);
      try {
        const result = await act();
        running.delete(label);
        const detail = result.detail === undefined ? "" : `: ${result.detail}`;
        print(`✓ ${label}${detail} (${seconds(started)})`);
        return result;
      } catch (error) {
        running.delete(label);
        print(`✗ ${label} (${seconds(started)})`);
        throw error;
      } finally {
        clearTimeout(announcement);
      }
    },
  };
}
