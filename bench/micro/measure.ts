/** Something small that is called on the path of every request. */
export interface Micro {
  name: string;
  /** Calls it so many times and resolves when all are done. */
  run: (times: number) => void | Promise<void>;
}

export interface MicroResult {
  name: string;
  perSecond: number;
  microseconds: number;
}

const WARM_UP_MS = 200;
const ROUNDS = 5;
const ROUND_MS = 200;

/** The best of a few rounds: the others were disturbed by the machine, not by the function. */
export async function measure({ name, run }: Micro): Promise<MicroResult> {
  let times = 1;
  const startedAt = performance.now();
  let lastMs = 0;
  while (performance.now() - startedAt < WARM_UP_MS) {
    const roundAt = performance.now();
    await run(times);
    lastMs = Math.max(performance.now() - roundAt, 0.001);
    if (lastMs < ROUND_MS) times = Math.ceil(times * Math.min(8, ROUND_MS / lastMs));
  }
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const roundAt = performance.now();
    await run(times);
    best = Math.min(best, (performance.now() - roundAt) / times);
  }
  return { name, perSecond: 1_000 / best, microseconds: best * 1_000 };
}

/** Measures one after the other and prints a line for each. */
export async function measureAll(micros: readonly Micro[]): Promise<void> {
  for (const micro of micros) {
    const { name, perSecond, microseconds } = await measure(micro);
    const rate = Math.round(perSecond).toLocaleString("en");
    process.stdout.write(
      `${name.padEnd(48)} ${microseconds.toFixed(2).padStart(10)} µs ${rate.padStart(12)}/s\n`,
    );
  }
}

/** Keeps the compiler from leaving out what nobody reads. */
export let sink: unknown;
export function keep(value: unknown): void {
  sink = value;
}
