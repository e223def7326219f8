import type { Bench } from "../measure/bench.ts";
import { type Cost, costTable } from "../measure/cost.ts";

/** What is to be filled. */
export interface Filling {
  /** From this one to before that one. */
  from?: number;
  to: number;
  /** Told every tenth of the way. */
  say: (share: string) => void;
}

/** One step of a growth: from this size to that one, which is written as `size`. */
export interface Step extends Required<Filling> {
  size: string;
}

/** Measures at each size in turn and notes a table for each kind of cost, titled by `titles`. */
export async function grow<Kind extends string>(
  { table, progress }: Bench,
  what: string,
  titles: Readonly<Record<Kind, string>>,
  sizes: readonly number[],
  measure: (step: Step) => Promise<Readonly<Record<Kind, Cost>>>,
): Promise<void> {
  const measured: [size: string, Readonly<Record<Kind, Cost>>][] = [];
  let from = 0;
  for (const to of sizes) {
    const size = to.toLocaleString("en");
    const say = (text: string): void => progress.say(`    ${size} ${what}: ${text}`);
    measured.push([size, await measure({ from, to, size, say })]);
    from = to;
  }
  for (const kind of Object.keys(titles) as Kind[]) {
    const rows = measured.map(([name, costs]) => ({ ...costs[kind], name }));
    table(costTable(titles[kind], what, rows));
  }
}

interface Parts {
  /** Of one statement or round. */
  size: number;
  /** Parts under way at once. */
  lanes?: number;
  /** After this long no further part is begun. */
  limitMs?: number;
}

/** Calls `act` for every part, [first, end), of a filling. */
export async function inParts(
  { from = 0, to, say }: Filling,
  { size, lanes = 1, limitMs = Number.POSITIVE_INFINITY }: Parts,
  act: (first: number, end: number) => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now();
  let next = from;
  let done = 0;
  let told = 0;
  async function work(): Promise<void> {
    while (next < to && performance.now() - startedAt < limitMs) {
      const first = next;
      const end = Math.min(to, first + size);
      next = end;
      await act(first, end);
      done += end - first;
      const tenth = Math.floor((done / (to - from)) * 10);
      if (tenth <= told || tenth >= 10) continue;
      told = tenth;
      say(`${tenth * 10} %`);
    }
  }
  await Promise.all(Array.from({ length: lanes }, work));
}
