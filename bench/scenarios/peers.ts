import { join } from "node:path";

import { ROLES } from "../../local/roles.ts";
import type { Scenario } from "../measure/bench.ts";
import { costTable, countExpected, wholeUs } from "../measure/cost.ts";
import { ACCEPT_ONLY, onStack, type Session } from "../measure/session.ts";
import { costOfTurns, ratioOfTurns, takeTurns } from "../measure/turns.ts";
import { DOCUMENTED, startBento, type Style, TUNED } from "../peers/bento.ts";
import { measurePeer, startPeer, warmUpPeer } from "../peers/peer.ts";

/** A stack of which only the servers are there. */
const SERVERS_ONLY = { users: 2_000, notYet: ROLES };
const DESIGN = "the original's design on Bento 1.20.0";
const ECHO = join(import.meta.dir, "../peers/echo/main.ts");

export const echo: Scenario = {
  name: "echo",
  about:
    "the ceiling: a bare Elysia route that checks the body, responds with 202 and does no more",
  part: "quick",
  needs: ["wrk"],
  run: onStack(SERVERS_ONLY, async (session) => {
    await using undo = new AsyncDisposableStack();
    const command = [process.execPath, ECHO];
    const program = {
      title: "Elysia echo",
      part: "echo",
      command,
      env: { NODE_ENV: "production" },
    };
    await measurePeer(session, await startPeer(session, program, undo));
  }),
};

const bento = (name: string, about: string, style: Style): Scenario => ({
  name,
  about: `${DESIGN}, ${about}`,
  part: "full",
  needs: ["wrk", "bento"],
  run: onStack(SERVERS_ONLY, async (session) => {
    await using undo = new AsyncDisposableStack();
    const peer = await startBento(session, style, undo);
    if (peer === undefined) return;
    await measurePeer(session, peer);
    await peer.judge(countExpected(session.measured.loads));
  }),
});

export const bentoTuned = bento("bento-tuned", "tuned as well as we could", TUNED);
export const bentoDocumented = bento("bento-documented", "as its documentation has it", DOCUMENTED);

const CONNECTIONS = 128;

async function compare(session: Session): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const peer = await startBento(session, TUNED, undo);
  if (peer === undefined) return;
  const { title, part, url } = peer;
  const files = await session.generate("short");
  await session.warmUp(files);
  await warmUpPeer(session, peer, files);
  const contenders = [
    { name: "Tollgate", part: "gateway" },
    { name: title, part, url },
  ];
  const [rounds, seconds] = session.isQuick ? [4, 2] : [10, 3];
  const pace = { seconds, connections: CONNECTIONS };
  const [ours, theirs] = await takeTurns(session, contenders, files, rounds, pace);
  if (ours === undefined || theirs === undefined) return;
  await peer.judge(countExpected(theirs.loads));

  const costs = [costOfTurns(ours), costOfTurns(theirs)] as const;
  session.table(costTable("The same machine in turn", "what", costs));
  session.row("against_bento_tuned", ratioOfTurns(ours, theirs));
  const ratio = wholeUs(costs[1]) / wholeUs(costs[0]);
  session.figure(`CPU per request, ${title} to Tollgate`, "×", ratio);
}

export const besideBento: Scenario = {
  name: "beside-bento",
  about: `Tollgate's gateway and the original's design on Bento in turn, ${CONNECTIONS} connections`,
  part: "quick",
  needs: ["wrk", "bento"],
  rows: ["against_bento_tuned"],
  run: onStack({ users: 2_000, notYet: ACCEPT_ONLY }, compare),
};
