import { readlinkSync } from "node:fs";

import { untilTrue } from "../../local/stack/eventually.ts";
import { startServersToWreck } from "../support/private-servers.ts";
import { startTestStack } from "../support/stack/stack.ts";
import { violationsOf } from "../../history/check.ts";
import { formatReport } from "../../history/report.ts";
import type { Load } from "../../history/load.ts";
import { losePackets, packetsLost } from "./packet-loss-namespace.ts";
import { createRuns } from "./run.ts";

/** Percent of packets lost, one after the other, and for how long. */
const PHASES = [
  { percent: 5, ms: 8_000 },
  { percent: 25, ms: 3_000 },
];

async function loseUnder(load: Load): Promise<void> {
  await untilTrue("the load runs", 5_000, () => load.counts().acknowledged > 50);
  for (const { percent, ms } of PHASES) {
    const before = load.counts().acknowledged;
    losePackets(percent);
    await Bun.sleep(ms);
    const accepted = load.counts().acknowledged - before;
    process.stdout.write(
      `${percent} % lost: ${packetsLost()} packets, ${accepted} requests accepted\n`,
    );
    if (packetsLost() < 100 || accepted === 0) throw new Error("that was no such network");
  }
  losePackets(0);
  const before = load.counts().acknowledged;
  await untilTrue("requests are accepted again", 15_000, () => {
    return load.counts().acknowledged > before + 50;
  });
}

/** Runs servers, processes and clients on one lossy network; returns whether all guarantees were kept. */
async function run(): Promise<boolean> {
  const servers = await startServersToWreck();
  try {
    const stack = await startTestStack({
      servers: servers.urls,
      gateways: 2,
      workers: 2,
      collectors: 2,
      settings: { retry: { attempts_max: 12 } },
    });
    const runs = createRuns(stack);
    try {
      const report = await runs.underLoad({ ratePerSecond: 60 }, loseUnder);
      process.stdout.write(`${formatReport(report)}\n`);
      const isKept =
        violationsOf(report).length === 0 && Object.keys(report.states).join() === "completed";
      if (!isKept) process.stderr.write(`${stack.logTail()}\n`);
      return isKept;
    } finally {
      losePackets(0);
      runs.close();
      await stack.stop();
    }
  } finally {
    await servers.remove();
  }
}

// The rules go into the present namespace, which must not be that of whoever started this.
const namespaces = ["self", process.ppid].map((pid) => readlinkSync(`/proc/${pid}/ns/net`));
if (new Set(namespaces).size < 2) throw new Error("run this in a network namespace of its own");
process.exit((await run()) ? 0 : 1);
