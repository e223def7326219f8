import { join } from "node:path";

import { findFreePorts } from "../../cli/ports.ts";
import { untilTrue } from "../../test/stack/eventually.ts";
import type { Figure } from "../figures.ts";
import { generateCalls, writeCalls } from "../load/calls.ts";
import { runLoad } from "../load/run-load.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { BenchContext, Measured } from "../scenarios/scenario.ts";
import { costFigures, startSampler } from "../stack/sampler.ts";

/** Something that is measured beside Tollgate by the same calls. */
export interface Peer {
  /** As in the figures: `Bento, tuned`. */
  title: string;
  command: readonly string[];
  env: Record<string, string>;
  readyPath: string;
  /** Looks, once it is warm, whether it does what it is said to do; answers what is wrong. */
  probe?: (url: string) => Promise<string[]>;
}

const READY_MS = 30_000;
const USERS = 2_000;
const CONNECTIONS = [8, 16, 32, 64, 128, 256, 512];
const CONNECTIONS_QUICK = [64, 256];

/** Keys as long as Tollgate's. A peer that does not authenticate takes them for the users' ids. */
export const peerUsers = (): { apiKey: string }[] =>
  Array.from({ length: USERS }, (_, index) => ({
    apiKey: `tg_${String(index).padStart(43, "0")}`,
  }));

/**
 * Runs a peer as a process of its own and measures it as `climb` does Tollgate: the same bodies, the same numbers of connections, and at
 * 1,000/s. `build` gets the port that it is to listen on.
 */
export async function measurePeer(
  context: BenchContext,
  build: (port: number) => Promise<Peer> | Peer,
): Promise<Measured> {
  const [port = 0] = await findFreePorts(1);
  const peer = await build(port);
  const url = `http://127.0.0.1:${port}`;
  const logPath = join(context.folder, `peer-${port}.log`);
  const child = Bun.spawn([...peer.command], {
    env: { PATH: process.env["PATH"], ...peer.env },
    stdin: "ignore",
    stdout: Bun.file(logPath),
    stderr: Bun.file(`${logPath}.err`),
  });
  const labels = new Map([...context.servers.labels, [process.pid, "bench"], [child.pid, "peer"]]);
  const sampler = startSampler({ labels });
  try {
    await untilTrue(`${peer.title} is ready`, READY_MS, async () => {
      // No use in waiting: the check of its log below says why.
      if (child.exitCode !== null) return true;
      const reply = await fetch(`${url}${peer.readyPath}`, { signal: AbortSignal.timeout(1_000) });
      await reply.body?.cancel();
      return reply.status < 500;
    });
    const files = writeCalls(
      generateCalls(peerUsers(), await shortBodies(500)),
      url,
      join(context.folder, "calls-peer"),
    );
    const tools = { programs: context.tools, folder: context.folder, watch: sampler.watch };
    const seconds = context.isQuick ? 3 : 8;
    const measured: Measured = { figures: [], loads: [], samples: [], notes: [], failures: [] };
    const plan = { url, files, seconds, expectStatus: 202 };
    const run = (wish: Parameters<typeof runLoad>[0]): Promise<unknown> =>
      context.progress.step(`  ${wish.name}`, async () => {
        const result = await runLoad(wish, tools);
        measured.loads.push(result);
        return {
          detail: `${Math.round(result.perSecond)}/s, p99 ${result.latencyMs.p99.toFixed(1)} ms`,
        };
      });
    // Connections to the servers, plans and caches are made by the first calls.
    await runLoad(
      {
        ...plan,
        name: "warm-up",
        generator: "paced",
        ratePerSecond: 300,
        seconds: 2,
        connections: 32,
      },
      tools,
    );
    measured.failures.push(...((await peer.probe?.(url)) ?? []));
    sampler.restart();
    await run({
      ...plan,
      name: `${peer.title} at 1,000/s`,
      generator: "paced",
      ratePerSecond: 1_000,
      connections: 128,
    });
    for (const connections of context.isQuick ? CONNECTIONS_QUICK : CONNECTIONS) {
      await run({
        ...plan,
        name: `${peer.title}, ${connections} connections`,
        generator: "wrk",
        connections,
      });
    }
    measured.samples = [...sampler.samples()];
    const accepted = measured.loads.reduce((sum, { expected }) => sum + expected, 0);
    measured.figures.push(
      ...figuresOf(peer.title, measured),
      ...costFigures(measured.samples, accepted),
    );
    for (const { name, unexpected } of measured.loads) {
      const wrong = Object.entries(unexpected).map(([status, count]) => `${count} × ${status}`);
      if (wrong.length > 0) measured.notes.push(`${name}: ${wrong.join(", ")}`);
    }
    return measured;
  } catch (error) {
    const log = await Bun.file(`${logPath}.err`).text();
    throw new Error(
      `${error instanceof Error ? error.message : String(error)}\n${log.slice(-2_000)}`,
      { cause: error },
    );
  } finally {
    sampler.stop();
    child.kill("SIGKILL");
    await child.exited;
  }
}

function figuresOf(title: string, { loads }: Measured): Figure[] {
  const [steady, ...closed] = loads;
  return [
    {
      what: `${title}: accepted per second, most`,
      unit: "req/s",
      value: Math.max(0, ...closed.map(({ perSecond }) => perSecond)),
    },
    {
      what: `${title}: accept at 1,000/s, p99`,
      unit: "ms",
      value: steady?.latencyMs.p99 ?? 0,
    },
  ];
}
