import type { Bench } from "../measure/bench.ts";
import { bendsOf, type CostRow, costTable } from "../measure/cost-table.ts";

/** What was measured at one size. */
export type Measurement = Omit<CostRow, "name">;

/** One step of a growth: from this size to that one, which is written as `size`. */
export interface Step {
  from: number;
  to: number;
  size: string;
  say: (text: string) => void;
}

/**
 * Measures at each size in turn and notes a table for each kind of cost, titled by `titles`, and what bends.
 */
export async function grow<Kind extends string>(
  { table, note, progress }: Pick<Bench, "table" | "note" | "progress">,
  what: string,
  titles: Readonly<Record<Kind, string>>,
  sizes: readonly number[],
  measure: (step: Step) => Promise<Readonly<Record<Kind, Measurement>>>,
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
