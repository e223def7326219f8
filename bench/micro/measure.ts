/**
 * Something small that is called on the path of every request, `act(i)` for the ith time, and how many of the
 * named things one call does; default 1.
 */
export type Micro = readonly [name: string, act: (i: number) => unknown, things?: number];

const WARM_UP_MS = 200;
const ROUNDS = 5;
const ROUND_MS = 200;

/** Keeps the compiler from leaving out what nobody reads. */
export let sink: unknown;

async function repeat(act: (i: number) => unknown, times: number): Promise<number> {
  const startedAt = performance.now();
  for (let i = 0; i < times; i += 1) {
    sink = act(i);
    if (sink instanceof Promise) await sink;
  }
  return Math.max(performance.now() - startedAt, 0.001);
}

/**
 * Prints a line for each: microseconds of the best of a few rounds, since the others were disturbed by the
 * machine, not by the function.
 */
export async function measureAll(micros: readonly Micro[]): Promise<void> {
  for (const [name, act, things = 1] of micros) {
    let times = 1;
    const startedAt = performance.now();
    while (performance.now() - startedAt < WARM_UP_MS) {
      const ms = await repeat(act, times);
      if (ms < ROUND_MS) times = Math.ceil(times * Math.min(8, ROUND_MS / ms));
    }
    let bestMs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round += 1)
      bestMs = Math.min(bestMs, await repeat(act, times));
    const us = (bestMs * 1_000) / (times * things);
    process.stdout.write(`${name.padEnd(48)} ${us.toFixed(2).padStart(10)} µs\n`);
  }
}

/** The server that a script needs. @throws when the variable is not set */
export function requireServer(variable: string): string {
  const url = process.env[variable];
  if (url === undefined) throw new Error(`set ${variable} to a server that may be written to`);
  return url;
}
