import { formatNumber } from "./table.ts";

/** Tells a person how far a long work has come. */
export interface CountProgress {
  /** So many are done by now. */
  at: (done: number) => void;
  /** Clears the line; call it whatever happened. */
  end: () => void;
}

interface Output {
  write: (text: string) => unknown;
  isTTY?: boolean;
}

const CLEAR_LINE = "\r\u001B[2K";
const TERMINAL_PERIOD_MS = 200;
/** Without a terminal a line is a line of a log. */
const PLAIN_PERIOD_MS = 5_000;

/**
 * `… 1,500 of 20,000 cancelled`, now and then: on a terminal on one changing line, elsewhere a line each. Of
 * what is quickly done nothing is said.
 */
export function createCountProgress(
  output: Output,
  total: number,
  verb: string,
  now: () => number = Date.now,
): CountProgress {
  const isTerminal = output.isTTY === true;
  const periodMs = isTerminal ? TERMINAL_PERIOD_MS : PLAIN_PERIOD_MS;
  let saidAtMs = now();
  let isShown = false;
  return {
    at: (done) => {
      if (now() - saidAtMs < periodMs) return;
      saidAtMs = now();
      const text = `… ${formatNumber(done)} of ${formatNumber(total)} ${verb}`;
      output.write(isTerminal ? `${CLEAR_LINE}${text}` : `${text}\n`);
      isShown = isTerminal;
    },
    end: () => {
      if (isShown) output.write(CLEAR_LINE);
      isShown = false;
    },
  };
}
