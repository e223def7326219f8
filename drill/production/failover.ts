import { rmSync } from "node:fs";
import { join } from "node:path";

import type { Progress } from "../../adapters/terminal/progress.ts";
import { type CheckReport, checkRun, type Violation, violationsOf } from "../../history/check.ts";
import { readHistory } from "../../history/history.ts";
import type { Caller } from "../../history/load.ts";
import { foldHistory } from "../../history/operations.ts";
import type { SimTotals } from "../../ml-sim/stats.ts";
import { pause, until } from "../until.ts";
import { audit, readFacts } from "./books.ts";
import { openMl } from "./doors.ts";
import { type Gap, gapIn } from "./gap.ts";
import type { Kubectl } from "./kubectl.ts";
import { NAMESPACE, PARTS, untilRedisIsWhole, untilWhole } from "./parts.ts";
import { startPodLoad } from "./pod-load.ts";
import { leaderOf, masterOf, primaryOf } from "./servers.ts";

/** A server that is taken away, and how everything is whole again. */
interface Victim {
  name: string;
  find: (kubectl: Kubectl) => Promise<string>;
  untilWhole: (kubectl: Kubectl) => Promise<void>;
}

const WHOLE_LIMIT_SECONDS = 600;
const untilPartIsWhole =
  (name: string) =>
  async (kubectl: Kubectl): Promise<void> => {
    const part = PARTS.find((one) => one.name === name);
    if (part === undefined) throw new Error(`there is no part ${name}`);
    await untilWhole(kubectl, part, WHOLE_LIMIT_SECONDS);
  };

const VICTIMS: readonly Victim[] = [
  {
    name: "the primary of PostgreSQL",
    find: (kubectl) => primaryOf(kubectl),
    untilWhole: untilPartIsWhole("PostgreSQL"),
  },
  {
    name: "the master of Redis",
    find: masterOf,
    untilWhole: (kubectl) => untilRedisIsWhole(kubectl, WHOLE_LIMIT_SECONDS),
  },
  {
    name: "the node of RabbitMQ that leads the queue",
    find: (kubectl) => leaderOf(kubectl, "inference_requests"),
    untilWhole: untilPartIsWhole("RabbitMQ"),
  },
];

export interface Loss extends Gap {
  name: string;
  pod: string;
  /** Until it is whole again, seconds. */
  wholeAfterSeconds: number;
}

export interface Losses {
  losses: Loss[];
  report: CheckReport;
  violations: Violation[];
}

const RATE_PER_SECOND = 20;
const STEADY_MS = 10_000;
/** A loss is noticed late: a pod that is gone still counts as whole for a moment. */
const NOTICE_MS = 5_000;
const QUIET_LIMIT_MS = 300_000;
const PATIENCE_MS = 120_000;

/** Deletes one server after the other under load, and compares what callers saw with the books afterwards. */
export async function loseServers(
  kubectl: Kubectl,
  users: readonly Caller[],
  folder: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<Losses> {
  const ml = await openMl(kubectl, signal);
  const historyPath = join(folder, "history.jsonl");
  const stretches: { loss: Omit<Loss, keyof Gap>; fromMs: number; toMs: number }[] = [];
  try {
    const wish = { users, ratePerSecond: RATE_PER_SECOND, patienceMs: PATIENCE_MS };
    const load = await startPodLoad(kubectl, wish, historyPath);
    try {
      for (const victim of VICTIMS)
        stretches.push(await progress.step(`lose ${victim.name}`, () => lose(victim)));
      await pause(STEADY_MS, signal);
    } finally {
      await load.stop();
    }
    await until("quiet", { limitMs: QUIET_LIMIT_MS, signal }, async () =>
      (await audit(kubectl)).requests?.queued === 0 ? true : undefined,
    );
    const simulator = await readTotals(ml.urls);
    const operations = await foldHistory(readHistory(historyPath));
    const report = checkRun(operations, await readFacts(kubectl, simulator));
    const losses: Loss[] = [];
    for (const { loss, fromMs, toMs } of stretches)
      losses.push({ ...loss, ...(await gapIn(readHistory(historyPath), fromMs, toMs)) });
    return { losses, report, violations: violationsOf(report) };
  } finally {
    await ml.close();
    rmSync(historyPath, { force: true });
  }

  async function lose(victim: Victim) {
    await pause(STEADY_MS, signal);
    const pod = await victim.find(kubectl);
    const fromMs = Date.now();
    // As if its machine had lost power: it may not hand over.
    await kubectl.run(["-n", NAMESPACE, "delete", "pod", pod, "--force", "--grace-period=0"]);
    await pause(NOTICE_MS, signal);
    await victim.untilWhole(kubectl);
    const toMs = Date.now();
    const wholeAfterSeconds = Math.round((toMs - fromMs) / 1_000);
    const loss = { name: victim.name, pod, wholeAfterSeconds };
    return { loss, fromMs, toMs, detail: `${pod}, whole after ${wholeAfterSeconds} s` };
  }
}

/** What all simulators have done. */
async function readTotals(urls: readonly string[]): Promise<SimTotals> {
  const all = await Promise.all(
    urls.map(async (url) => (await (await fetch(`${url}/sim/stats`)).json()) as SimTotals),
  );
  const sum = (field: "prompt_tokens" | "completion_tokens" | "calls" | "answered"): number =>
    all.reduce((total, one) => total + one[field], 0);
  const [first] = all;
  if (first === undefined) throw new Error("there is no simulator");
  return {
    ...first,
    calls: sum("calls"),
    answered: sum("answered"),
    prompt_tokens: sum("prompt_tokens"),
    completion_tokens: sum("completion_tokens"),
  };
}
