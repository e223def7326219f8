import { costOf, type Cost } from "../growth/cost.ts";
import { growthTable, wholeUs } from "../growth/table.ts";
import type { LoadResult } from "../figures.ts";
import { generateCalls } from "../load/calls.ts";
import { type RunningBento, startBentos } from "../peers/bento.ts";
import { PEER_WARM_UP } from "../peers/peer.ts";
import { peerUsers } from "../peers/start-peer.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { median } from "../statistics.ts";
import { cpuSecondsByPart } from "../stack/sampler.ts";
import { warmUp } from "./accept.ts";
import type { Scenario } from "./scenario.ts";
import { type LoadWish, type Session, withSession } from "./session.ts";

const USERS = 2_000;
const CONNECTIONS = 128;
const OURS = "Tollgate";

interface Contender {
  title: string;
  /** What its process is called in the samples. */
  part: string;
  wish: Pick<LoadWish, "files" | "url">;
  loads: LoadResult[];
  cpuSeconds: Map<string, number>;
}

/** Each in turn, so that whatever else the machine does meets all of them. */
async function takeTurns(
  session: Session,
  contenders: readonly Contender[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<void> {
  const owns = new Set(contenders.map(({ part }) => part));
  for (let round = 1; round <= rounds; round += 1) {
    for (const { title, part: own, wish, loads, cpuSeconds } of contenders) {
      const since = session.stack.samples().at(-1)?.atSeconds ?? 0;
      loads.push(
        await session.load({
          ...wish,
          name: `${title}, round ${round}`,
          generator: "wrk",
          seconds,
          connections: CONNECTIONS,
          expectStatus: 202,
        }),
      );
      for (const [part, used] of cpuSecondsByPart(session.stack.samples(), since)) {
        // The others idle while it is not their turn, which costs a little as well.
        if (part !== own && owns.has(part)) continue;
        const column = part === own && part !== "gateway" ? "Bento" : part;
        cpuSeconds.set(column, (cpuSeconds.get(column) ?? 0) + used);
      }
    }
  }
}

function costOfAll({ loads, cpuSeconds }: Contender): Cost {
  const middle = (read: (load: LoadResult) => number): number => median(loads.map(read));
  const latencyMs = {
    p50: middle((load) => load.latencyMs.p50),
    p99: middle((load) => load.latencyMs.p99),
  };
  const expected = loads.reduce((sum, load) => sum + load.expected, 0);
  return costOf(
    { expected, perSecond: middle(({ perSecond }) => perSecond), latencyMs },
    cpuSeconds,
  );
}

/** How many times as many per second: the median over the rounds. */
function ratioOf(ours: Contender, theirs: Contender): number {
  return median(
    ours.loads.map(({ perSecond }, round) => perSecond / (theirs.loads[round]?.perSecond ?? 1)),
  );
}

async function judgeBentos(
  session: Session,
  bentos: readonly RunningBento[],
  contenders: readonly Contender[],
): Promise<void> {
  for (const { peer, judge } of bentos) {
    const loads = contenders.find(({ title }) => title === peer.title)?.loads ?? [];
    const { note, failures } = await judge(loads.reduce((sum, { expected }) => sum + expected, 0));
    session.note(`${peer.title}: ${note}`);
    for (const failure of failures) session.fail(`${peer.title}: ${failure}`);
  }
}

async function warmUpBento(session: Session, { peer }: RunningBento): Promise<Contender> {
  const files = session.calls(generateCalls(peerUsers(), await shortBodies(500)));
  const wish = { files, url: peer.url };
  session.stack.watch(peer.pid, peer.title);
  await session.unmeasured({ ...wish, ...PEER_WARM_UP, expectStatus: 202 });
  for (const failure of (await peer.probe?.(peer.url)) ?? []) session.fail(failure);
  return { title: peer.title, part: peer.title, wish, loads: [], cpuSeconds: new Map() };
}

export const besideBento: Scenario = {
  name: "beside-bento",
  about: `Tollgate's gateway and the original's design on Bento 1.20.0 in turn, ${CONNECTIONS} connections each: the same job tuned, and (not with --quick) without keys and encryption`,
  inQuick: true,
  needs: ["wrk", "bento"],
  run: async (context) => {
    const undo: (() => Promise<unknown>)[] = [];
    try {
      return await withSession(
        context,
        { users: USERS, notYet: ["worker", "collector"] },
        async (session) => {
          const bentos = await startBentos(context, !context.isQuick, undo);
          if (typeof bentos === "string") {
            session.note(`left out: ${bentos}`);
            return;
          }
          const bodies = await shortBodies(500);
          await warmUp(session, bodies);
          const ours: Contender = {
            title: OURS,
            part: "gateway",
            wish: { files: session.generate(bodies) },
            loads: [],
            cpuSeconds: new Map(),
          };
          const peers: Contender[] = [];
          for (const bento of bentos) peers.push(await warmUpBento(session, bento));
          const all = [ours, ...peers];
          const turns = context.isQuick ? { rounds: 4, seconds: 2 } : { rounds: 10, seconds: 3 };
          await takeTurns(session, all, turns);
          await judgeBentos(session, bentos, all);
          session.table(
            growthTable(
              "The same machine in turn",
              "what",
              all.map((one) => ({ size: one.title, cost: costOfAll(one) })),
            ),
          );
          peers.forEach((peer, index) => {
            session.figure({
              ...(index === 0 ? { target: "against_bento_tuned" as const } : {}),
              what: `accepted per second, Tollgate to ${peer.title}, median of the rounds`,
              unit: "×",
              value: ratioOf(ours, peer),
            });
            session.figure({
              what: `CPU per request, ${peer.title} to Tollgate`,
              unit: "×",
              value: wholeUs(costOfAll(peer)) / wholeUs(costOfAll(ours)),
            });
          });
        },
      );
    } finally {
      for (const step of undo.toReversed()) await step();
    }
  },
};
