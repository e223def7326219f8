import type { Outcome } from "./figures.ts";
import { reaches, ratioTo, type TargetId, TARGETS, type Target } from "./targets.ts";

/** One row of the summary: a target and what was measured of it. */
export interface Row extends Target {
  id: TargetId;
  /** null: not measured in this run. */
  measured: number | null;
  /** Against the bound that must be reached; 1 is reached exactly, more is better. */
  ratio: number | null;
  verdict: "aim" | "at least" | "missed" | "not measured";
}

const TARGET_IDS = Object.keys(TARGETS) as TargetId[];

/** The most of the accepted per second that a figure with this beginning says; undefined when it was not measured. */
function mostAccepted(outcomes: readonly Outcome[], scenario: string): number | undefined {
  const outcome = outcomes.find((one) => one.scenario === scenario);
  const rates = outcome?.loads.map(({ perSecond }) => perSecond) ?? [];
  return rates.length === 0 ? undefined : Math.max(...rates);
}

export interface Ratio {
  what: string;
  value: number;
}

/** Accepted per second beside the peers of the same run. */
export function peerRatios(outcomes: readonly Outcome[]): Ratio[] {
  const ours = mostAccepted(outcomes, "frontier");
  if (ours === undefined) return [];
  const peers = [
    ["bento-tuned", "against Bento, tuned"],
    ["bento-documented", "against Bento, as documented"],
    ["bento-bare", "against Bento, tuned, without keys and encryption"],
    ["portkey", "against Portkey's gateway, a proxy that stores and meters nothing"],
    ["echo", "of the ceiling (bare Elysia echo)"],
  ] as const;
  return peers.flatMap(([scenario, what]) => {
    const theirs = mostAccepted(outcomes, scenario);
    return theirs === undefined || theirs === 0 ? [] : [{ what, value: ours / theirs }];
  });
}

function measuredOf(outcomes: readonly Outcome[], id: TargetId): number | null {
  for (const { figures } of outcomes) {
    const figure = figures.find(({ target }) => target === id);
    if (figure !== undefined) return figure.value;
  }
  return null;
}

/** Every target with what the run says of it. */
export function judge(outcomes: readonly Outcome[]): Row[] {
  return TARGET_IDS.map((id) => {
    const target: Target = TARGETS[id];
    const measured = measuredOf(outcomes, id);
    if (measured === null) return { id, ...target, measured, ratio: null, verdict: "not measured" };
    const { atLeast, aim, better } = target;
    const passed = reaches(measured, aim, better) ? "aim" : "at least";
    const verdict = reaches(measured, atLeast, better) ? passed : "missed";
    return { id, ...target, measured, ratio: ratioTo(measured, atLeast, better), verdict };
  });
}

/** The flags of a run that measures a target. */
export function howToMeasure(id: TargetId): string {
  const { by }: Target = TARGETS[id];
  return by.map((name) => (name === "soak" ? "--soak" : `--only ${name}`)).join(" ");
}

/** Everything for which the run fails, one line each. */
export function failuresOf(outcomes: readonly Outcome[], rows: readonly Row[]): string[] {
  const missed = rows
    .filter(({ verdict }) => verdict === "missed")
    .map(
      ({ what, measured, unit, atLeast, better }) =>
        `${what}: ${format(measured ?? 0)} ${unit}, must be ${better === "more" ? "at least" : "at most"} ${format(atLeast)}`,
    );
  const broken = outcomes.flatMap(({ scenario, failures }) =>
    failures.map((failure) => `${scenario}: ${failure}`),
  );
  return [...broken, ...missed];
}

/** Three significant digits, thousands separated. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const wholeDigits = Math.abs(value) < 1 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toLocaleString("en", { maximumFractionDigits: Math.max(0, 3 - wholeDigits) });
}
