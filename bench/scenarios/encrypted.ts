import { startBenchServers } from "../machine/servers.ts";
import type { Bench, Scenario } from "../measure/bench.ts";
import { type Cost, costTable, type LoadCost, measureCost, wholeUs } from "../measure/cost.ts";
import { FAST_MODEL_WORKER, withStack } from "../measure/session.ts";
import { median } from "../statistics.ts";

const STACK = { users: 2_000, quietWithinMs: 120_000, settings: FAST_MODEL_WORKER };
const RATE = 500;

/** The whole pipeline at a constant rate, on a stack of its own. */
function measureOnce(bench: Bench, name: string): Promise<LoadCost> {
  return withStack(bench, STACK, async (session) => {
    const files = await session.generate("mixed");
    await session.warmUp(files);
    const pace = { ratePerSecond: RATE, seconds: session.isQuick ? 5 : 20, connections: 100 };
    return measureCost(session, name, files, pace);
  });
}

/** The medians of several rounds. */
function medianOf(name: string, rounds: readonly LoadCost[]): Cost {
  const of = (read: (cost: LoadCost) => number): number => median(rounds.map(read));
  const parts = [...new Set(rounds.flatMap(({ cpuUs }) => [...cpuUs.keys()]))];
  return {
    name,
    perSecond: of(({ perSecond }) => perSecond),
    latencyMs: {
      p50: of(({ latencyMs }) => latencyMs.p50),
      p99: of(({ latencyMs }) => latencyMs.p99),
    },
    cpuUs: new Map(parts.map((part) => [part, of(({ cpuUs }) => cpuUs.get(part) ?? 0)])),
  };
}

async function compare(bench: Bench): Promise<void> {
  const encrypted = await startBenchServers(process.env, bench.progress, { isEncrypted: true });
  try {
    const rounds: { plain: LoadCost[]; tls: LoadCost[] } = { plain: [], tls: [] };
    for (let round = 1; round <= (bench.isQuick ? 1 : 3); round += 1) {
      rounds.plain.push(await measureOnce(bench, `plain, round ${round}`));
      const { length } = rounds.plain;
      rounds.tls.push(await measureOnce({ ...bench, servers: encrypted }, `TLS, round ${length}`));
    }
    const [plain, tls] = [medianOf("plain", rounds.plain), medianOf("TLS", rounds.tls)];
    const title = `Every connection encrypted, the whole pipeline at ${RATE}/s`;
    bench.table(costTable(title, "connections", [plain, tls]));
    bench.figure("CPU per request with TLS, to that without", "×", wholeUs(tls) / wholeUs(plain));
  } finally {
    await encrypted.remove();
  }
}

export const encrypted: Scenario = {
  name: "encrypted",
  about: `what mutual TLS on every connection costs: everything on at ${RATE}/s, in turn with plain text`,
  part: "full",
  run: compare,
};
