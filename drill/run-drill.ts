import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CommandFailure, describeError, EXIT } from "../adapters/terminal/failure.ts";
import { clientOf } from "../local/cluster/client.ts";
import { type KubeApi, openApi } from "./kube/api.ts";
import type { Meta } from "./kube/resources.ts";
import type { Phase } from "./phase.ts";
import { apply, DRILL_NAMESPACE_LABEL } from "./phases/apply.ts";
import type { PhaseOutcome } from "./report.ts";
import { quicken } from "./scaling/quicken.ts";
import { createScene, NAMESPACE, type Scene, type SceneOptions } from "./scene.ts";
import { drawTimeline } from "./timeline/picture.ts";
import { readCluster } from "./timeline/read-cluster.ts";
import { type Recorder, startRecorder, timelineText } from "./timeline/timeline.ts";
import { until } from "./until.ts";

export interface DrillOptions extends Pick<
  SceneOptions,
  "program" | "isOwn" | "nextImage" | "killMinutes" | "seed" | "folder" | "say" | "signal"
> {
  helmPath: string | undefined;
  rounds: readonly (readonly Phase[])[];
  /** Tollgate stays, for a look at it. */
  keep: boolean;
}

const GONE_LIMIT_MS = 4 * 60_000;

/**
 * Runs phases on a cluster and judges what it sees. Writes the timeline, its picture, and the histories of
 * loads to the folder. Removes Tollgate again, unless it is to stay.
 *
 * @throws {CommandFailure} when the cluster has a Tollgate that is not the drill's
 */
export async function runDrill(options: DrillOptions): Promise<PhaseOutcome[]> {
  const { program, helmPath, signal, say, folder } = options;
  mkdirSync(folder, { recursive: true });
  const sockets = mkdtempSync(join(tmpdir(), "tollgate-drill-"));
  const api = await openApi(program, sockets, signal);
  try {
    const isThere = await findOwnNamespace(api);
    const recorder = startRecorder(() => readCluster(api, NAMESPACE));
    const scene = createScene({
      ...options,
      api,
      kubectl: clientOf(program.kubeconfig, program.kubectl),
      helm: helmPath === undefined ? undefined : clientOf(program.kubeconfig, helmPath),
      mark: (text, kind = "remark") => {
        recorder.mark(text, kind);
        say(kind === "trial" ? `  ${text}:` : `  ${text}`);
      },
    });
    try {
      return await runRounds(scene, recorder, isThere ? withoutApply(options) : options.rounds);
    } finally {
      await recorder.stop();
      await writeTimeline(recorder, folder);
      await end(scene, options.keep);
    }
  } finally {
    await api.close();
    rmSync(sockets, { recursive: true, force: true });
  }
}

/** What an earlier run of the drill has left on purpose is gone on with. */
const withoutApply = ({ rounds }: DrillOptions): Phase[][] =>
  rounds.map((round) => round.filter((phase) => phase !== apply));

async function findOwnNamespace(api: KubeApi): Promise<boolean> {
  const found = await api.find<{ metadata: Meta }>(`/api/v1/namespaces/${NAMESPACE}`);
  if (found === undefined) return false;
  if (found.metadata.labels?.[DRILL_NAMESPACE_LABEL] !== undefined) return true;
  throw new CommandFailure(
    `the cluster has a namespace ${NAMESPACE} that is not the drill's: use another cluster`,
    { exitCode: EXIT.usage },
  );
}

async function runRounds(
  scene: Scene,
  recorder: Recorder,
  rounds: readonly (readonly Phase[])[],
): Promise<PhaseOutcome[]> {
  const outcomes: PhaseOutcome[] = [];
  if (!rounds.flat().includes(apply)) await quicken(scene);
  for (const round of rounds) {
    const found = await Promise.all(round.map((phase) => runPhase(scene, recorder, phase)));
    outcomes.push(...found);
    if (!round.includes(apply)) continue;
    // Of what did not become ready nothing can be judged.
    if (found.some(({ findings }) => findings.some(({ what }) => what === ENDED))) break;
    await quicken(scene);
  }
  return outcomes;
}

const ENDED = "the phase comes to its end";

/** What goes wrong in a phase is a finding of it. */
async function runPhase(
  scene: Scene,
  recorder: Recorder,
  { name, title, run, reasonToSkip }: Phase,
): Promise<PhaseOutcome> {
  const skipped = reasonToSkip?.(scene);
  if (skipped !== undefined) return { phase: name, title, seconds: 0, findings: [], skipped };
  recorder.mark(name, "phase");
  scene.say(`${name}: ${title}`);
  const startedMs = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedMs) / 1_000);
  try {
    const findings = await run(scene);
    for (const { what, isKept, seen } of findings)
      scene.say(`  ${isKept ? "✓" : "✗"} ${what}: ${seen}`);
    return { phase: name, title, seconds: seconds(), findings };
  } catch (error) {
    if (scene.signal.aborted) throw error;
    const seen = describeError(error);
    scene.say(`  ✗ ${ENDED}: ${seen}`);
    return {
      phase: name,
      title,
      seconds: seconds(),
      findings: [{ what: ENDED, isKept: false, seen }],
    };
  }
}

async function writeTimeline({ timeline }: Recorder, folder: string): Promise<void> {
  await Bun.write(join(folder, "timeline.json"), timelineText(timeline));
  await Bun.write(join(folder, "timeline.svg"), drawTimeline(timeline));
}

/** Removes what the drill made. In a cluster of its own nobody waits for that: it ends as a whole. */
async function end(scene: Scene, keep: boolean): Promise<void> {
  if (scene.signal.aborted && scene.isOwn) return;
  await scene.tidy();
  if (keep || scene.isOwn) return;
  const path = `/api/v1/namespaces/${NAMESPACE}`;
  await scene.api.remove(path);
  // Asked for after an interrupt as well: nothing is to be left behind.
  const limits = { limitMs: GONE_LIMIT_MS, signal: AbortSignal.timeout(GONE_LIMIT_MS) };
  await until(`namespace ${NAMESPACE} is gone`, limits, async () =>
    (await scene.api.find(path)) === undefined ? true : undefined,
  );
}
