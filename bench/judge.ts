import type { Outcome } from "./figures.ts";
import { SCENARIOS } from "./scenarios/all.ts";
import { type Target, TARGET_IDS, type TargetId, TARGETS } from "./targets.ts";

/** One row of the summary: a target and what was measured of it. */
export interface Row extends Target {
  id: TargetId;
  /** null: not measured in this run. */
  measured: number | null;
  /** Against the bound that must be reached; 1 is reached exactly, more is better, whatever the direction. */
  ratio: number | null;
  verdict: "aim" | "at least" | "missed" | "not measured";
}

/** Every target with what the run says of it. */
export function judge(outcomes: readonly Outcome[]): Row[] {
  const figures = outcomes.flatMap((outcome) => outcome.figures);
  return TARGET_IDS.map((id) => {
    const target = TARGETS[id];
    const measured = figures.find((figure) => figure.target === id)?.value ?? null;
    if (measured === null) return { id, ...target, measured, ratio: null, verdict: "not measured" };
    const ratioTo = (bound: number): number =>
      target.better === "more" ? measured / bound : bound / Math.max(measured, 0);
    const passed = ratioTo(target.aim) >= 1 ? "aim" : "at least";
    const ratio = ratioTo(target.atLeast);
    return { id, ...target, measured, ratio, verdict: ratio >= 1 ? passed : "missed" };
  });
}

/** The flags of a run that measures a target. */
export function howToMeasure(id: TargetId): string {
  const by = SCENARIOS.filter(({ rows }) => rows?.includes(id) === true);
  return by.map(({ name, part }) => (part === "soak" ? "--soak" : `--only ${name}`)).join(" ");
}

/** Everything for which the run fails, one line each. */
export function failuresOf(outcomes: readonly Outcome[], rows: readonly Row[]): string[] {
  const broken = outcomes.flatMap(({ scenario, failures }) =>
    failures.map((failure) => `${scenario}: ${failure}`),
  );
  const missed = rows.filter(({ verdict }) => verdict === "missed");
  return [
    ...broken,
    ...missed.map(({ what, measured, unit, atLeast, better }) => {
      const bound = `${better === "more" ? "at least" : "at most"} ${format(atLeast)}`;
      return `${what}: ${format(measured ?? 0)} ${unit}, must be ${bound}`;
    }),
  ];
}

/** A number with three significant digits, thousands separated; a text as it is. */
export function format(value: number | string): string {
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return "–";
  const wholeDigits = Math.abs(value) < 1 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toLocaleString("en", { maximumFractionDigits: Math.max(0, 3 - wholeDigits) });
}
