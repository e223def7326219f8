import { join } from "node:path";

import { type CheckReport, checkRun, violationsOf } from "../../history/check.ts";
import { type Facts, readFacts } from "../../history/facts.ts";
import { readHistory } from "../../history/history.ts";
import { foldHistory, type Operation } from "../../history/operations.ts";
import { formatReport } from "../../history/report.ts";
import type { Finding } from "../phase.ts";
import type { Scene } from "../scene.ts";
import { openClusterBooks } from "./open-books.ts";

const QUIET_LIMIT_MS = 4 * 60_000;

/**
 * Waits until nothing is open any more, and compares what the clients of all loads so far saw with what the
 * servers have, by the checker of the fault tests.
 */
export async function checkLoads(scene: Scene): Promise<Finding[]> {
  const operations = new Map<number, Operation>();
  for (const path of scene.histories)
    for (const [op, operation] of await foldHistory(readHistory(path)))
      operations.set(op, operation);
  const sources = await openClusterBooks(scene);
  try {
    const quiet = await sources.books.untilQuiet(QUIET_LIMIT_MS).then(
      () => "quiet",
      (error: unknown) => String(error),
    );
    const users = new Set((await scene.loadUsers()).map(({ userId }) => userId));
    const report = checkRun(operations, factsOf(await readFacts(sources), users));
    scene.say(formatReport(report));
    await Bun.write(join(scene.folder, "check.json"), JSON.stringify(report, null, 2));
    return [
      { what: "everything goes quiet", isKept: quiet === "quiet", seen: quiet },
      ...findingsOf(report),
    ];
  } finally {
    await sources.close();
  }
}

/** Of the loads' users alone: other phases have asked as well, without a history. */
export function factsOf(facts: Facts, users: ReadonlySet<string>): Facts {
  const others = new Set(
    facts.requests.filter(({ userId }) => !users.has(userId)).map(({ requestId }) => requestId),
  );
  return {
    ...facts,
    requests: facts.requests.filter(({ requestId }) => !others.has(requestId)),
    ledger: facts.ledger.filter(({ requestId }) => !others.has(requestId)),
  };
}

function findingsOf(report: CheckReport): Finding[] {
  const violations = violationsOf(report);
  const { attempted, acknowledged, ok, recovered, lost, misbilled, driftTokens } = report;
  return [
    {
      what: "nothing is lost, nothing is billed twice, the books agree",
      isKept: violations.length === 0 && acknowledged > 0,
      seen:
        `${attempted} requests, ${acknowledged} accepted, ${ok} ended, ${recovered} recovered; ` +
        `${lost.length} lost, ${misbilled.length} misbilled, drift ${driftTokens}` +
        (violations.length === 0 ? "" : `; ${violations.join(", ")}`),
    },
  ];
}
