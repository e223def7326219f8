import type { Bench } from "../measure/bench.ts";
import { bendsOf, type Cost, type CostRow, costTable } from "../measure/cost.ts";
import type { Filling } from "./parts.ts";

/** One step of a growth: from this size to that one, which is written as `size`. */
export interface Step extends Required<Filling> {
  size: string;
}

/**
 * Measures at each size in turn and notes a table for each kind of cost, titled by `titles`, and what bends.
 */
export async function grow<Kind extends string>(
  { table, note, progress }: Bench,
  what: string,
  titles: Readonly<Record<Kind, string>>,
  sizes: readonly number[],
  measure: (step: Step) => Promise<Readonly<Record<Kind, Cost>>>,
): Promise<void> {
  const kinds = Object.keys(titles) as Kind[];
  const rows = new Map<Kind, CostRow[]>(kinds.map((kind) => [kind, []]));
  let from = 0;
  for (const to of sizes) {
    const size = to.toLocaleString("en");
    const say = (text: string): void => progress.say(`    ${size} ${what}: ${text}`);
    const measured = await measure({ from, to, size, say });
    for (const kind of kinds) rows.get(kind)?.push({ name: size, ...measured[kind] });
    from = to;
  }
  for (const [kind, list] of rows) table(costTable(titles[kind], what, list));
  for (const [kind, list] of rows) for (const bend of bendsOf(list)) note(`${kind}: ${bend}`);
}
