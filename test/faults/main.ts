import { parseArgs } from "node:util";

import { runRandomFaults } from "./random/run.ts";

const HELP = `Draws faults at random under load. Checks afterwards that nothing was lost or
billed twice and that no hold was left.

usage: bun test/faults/main.ts [--minutes N] [--seed S] [--rate R]

  --minutes   How many minutes to draw faults (default 5)
  --seed      Which faults to draw (default: by the clock; printed)
  --rate      Requests a second (default 300)

Exits with 0 when all guarantees were kept, else with 1.
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    rate: { type: "string", default: "300" },
    help: { type: "boolean", default: false },
  },
});
const [minutes, seed, ratePerSecond] = [values.minutes, values.seed, values.rate].map(Number);
const startedAtMs = performance.now();

if (values.help) process.stdout.write(HELP);
else if (
  !(minutes !== undefined && minutes > 0 && Number.isInteger(seed) && Number(ratePerSecond) > 0)
) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else {
  const say = (line: string): void => {
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(0).padStart(5);
    process.stdout.write(`${seconds} s  ${line}\n`);
  };
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => interrupt.abort());
  const isKept = await runRandomFaults({
    minutes,
    seed: seed ?? 0,
    ratePerSecond: ratePerSecond ?? 0,
    say,
    signal: interrupt.signal,
  }).catch((error: unknown) => {
    if (!interrupt.signal.aborted) throw error;
    say("interrupted: no verdict");
    return false;
  });
  // What the load still waits for must not keep an interrupted run alive.
  process.exit(isKept ? 0 : 1);
}
