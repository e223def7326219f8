import { join } from "node:path";

import { shortPath, statePaths } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import type { Progress } from "../adapters/terminal/progress.ts";
import { findProgram } from "../local/cluster/programs.ts";
import type { Phase } from "./phase.ts";
import { apply } from "./phases/apply.ts";
import { ROUNDS } from "./phases/all.ts";
import { formatReport, isKept } from "./report.ts";
import { runDrill } from "./run-drill.ts";

/** What the command line says, for a drill on a cluster that runs. */
export interface DrillFlags {
  kubeconfig: string;
  only?: string;
  minutes: string;
  seed: string;
  out?: string;
  nextImage: string;
  keep: boolean;
  json: boolean;
  own: boolean;
}

export const phaseNames = ROUNDS.flat().map(({ name }) => name);

/** Runs the drill on the cluster of a kubeconfig; the exit code says whether all that was judged holds. */
export async function drillOnCluster(
  flags: DrillFlags,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const kubectl = findProgram("kubectl", process.env) ?? Bun.which("kubectl");
  if (kubectl === null)
    throw new CommandFailure(
      "kubectl is missing: install it, or run ./tollgate drill cluster --build",
    );
  const folder = flags.out ?? join(statePaths().dir, "drill");
  const outcomes = await runDrill({
    program: { kubectl, kubeconfig: flags.kubeconfig },
    helmPath: findProgram("helm", process.env) ?? Bun.which("helm") ?? undefined,
    rounds: chooseRounds(flags.only),
    isOwn: flags.own,
    nextImage: flags.nextImage,
    killMinutes: positive("--minutes", flags.minutes),
    seed: positive("--seed", flags.seed),
    folder,
    keep: flags.keep,
    say: progress.say,
    signal,
  });
  await Bun.write(join(folder, "report.json"), `${JSON.stringify(outcomes, null, 2)}\n`);
  if (flags.json) process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);
  else
    progress.say(`${formatReport(outcomes)}\nThe timeline and its picture: ${shortPath(folder)}`);
  if (!isKept(outcomes)) process.exitCode = EXIT.failed;
}

/** `apply` comes first, whatever is named. @throws {CommandFailure} for a name that there is not */
export function chooseRounds(only: string | undefined): Phase[][] {
  if (only === undefined) return ROUNDS.map((round) => [...round]);
  const wanted = only.split(",").map((name) => name.trim());
  const unknown = wanted.filter((name) => !phaseNames.includes(name));
  if (unknown.length > 0)
    throw new CommandFailure(
      `--only: there is no phase ${unknown.join(", ")}; there are ${phaseNames.join(", ")}`,
      { exitCode: EXIT.usage },
    );
  const isWanted = (phase: Phase): boolean => phase === apply || wanted.includes(phase.name);
  return ROUNDS.map((round) => round.filter(isWanted)).filter(({ length }) => length > 0);
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new CommandFailure(`${flag} takes a number above 0`, { exitCode: EXIT.usage });
}
