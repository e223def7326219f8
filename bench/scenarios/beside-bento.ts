import type { Scenario } from "../measure/bench.ts";
import { countExpected, warmUp } from "../measure/climb.ts";
import { wholeUs } from "../measure/cost.ts";
import { costTable } from "../measure/cost-table.ts";
import { ACCEPT_ONLY, onStack, type Session } from "../measure/session.ts";
import {
  type Contender,
  contender,
  costOfTurns,
  ratioOfTurns,
  takeTurns,
} from "../measure/turns.ts";
import { BARE, type RunningBento, startBento, TUNED } from "../peers/bento.ts";
import { warmUpPeer } from "../peers/peer.ts";
import { shortBodies } from "../prompts/prompts.ts";

const CONNECTIONS = 128;

async function compare(session: Session): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const bentos: RunningBento[] = [];
  for (const style of session.isQuick ? [TUNED] : [TUNED, BARE]) {
    const bento = await startBento(session, style, undo);
    if (bento === undefined) return;
    bentos.push(bento);
  }
  const bodies = await shortBodies(500);
  await warmUp(session, bodies);
  const files = session.generate(bodies);
  const ours = contender({ title: "Tollgate", part: "gateway", column: "gateway", files });
  const peers: Contender[] = [];
  for (const { peer } of bentos) {
    const { title, url } = peer;
    await warmUpPeer(session, peer, title, files);
    peers.push(contender({ title, part: title, column: "Bento", files, url }));
  }
  const all = [ours, ...peers];
  const { rounds, seconds } = session.isQuick
    ? { rounds: 4, seconds: 2 }
    : { rounds: 10, seconds: 3 };
  await takeTurns(session, all, rounds, { seconds, connections: CONNECTIONS });
  for (const [index, { judge }] of bentos.entries())
    await judge(countExpected(peers[index]?.loads ?? []));

  const costs = all.map((one) => ({ name: one.title, cost: costOfTurns(one) }));
  session.table(costTable("The same machine in turn", "what", costs));
  for (const peer of peers) {
    const ratio = ratioOfTurns(ours, peer);
    const what = `accepted per second, Tollgate to ${peer.title}, median of the rounds`;
    if (peer.title === TUNED.title) session.row("against_bento_tuned", ratio);
    else session.figure(what, "×", ratio);
    const cpu = wholeUs(costOfTurns(peer)) / wholeUs(costOfTurns(ours));
    session.figure(`CPU per request, ${peer.title} to Tollgate`, "×", cpu);
  }
}

export const besideBento: Scenario = {
  name: "beside-bento",
  about: `Tollgate's gateway and the original's design on Bento in turn, ${CONNECTIONS} connections`,
  part: "quick",
  needs: ["wrk", "bento"],
  rows: ["against_bento_tuned"],
  run: onStack({ users: 2_000, notYet: ACCEPT_ONLY }, compare),
};
