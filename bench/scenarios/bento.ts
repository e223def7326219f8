import type { Scenario } from "../measure/bench.ts";
import { countExpected } from "../measure/climb.ts";
import { onStack } from "../measure/session.ts";
import { BARE, DOCUMENTED, startBento, type Style, TUNED } from "../peers/bento.ts";
import { measurePeer, SERVERS_ONLY } from "../peers/peer.ts";
import { shortBodies } from "../prompts/prompts.ts";

const DESIGN = "the original's design on Bento 1.20.0";

const bento = (name: string, about: string, style: Style): Scenario => ({
  name,
  about,
  part: "full",
  needs: ["wrk", "bento"],
  run: onStack(SERVERS_ONLY, async (session) => {
    await using undo = new AsyncDisposableStack();
    const running = await startBento(session, style, undo);
    if (running === undefined) return;
    await measurePeer(session, running.peer, session.generate(await shortBodies(500)));
    await running.judge(countExpected(session.measured.loads));
  }),
});

export const bentoTuned = bento("bento-tuned", `${DESIGN}, tuned as well as we could`, TUNED);
export const bentoDocumented = bento(
  "bento-documented",
  `${DESIGN}, as its documentation has it`,
  DOCUMENTED,
);
export const bentoBare = bento("bento-bare", `${DESIGN}, tuned, without keys and encryption`, BARE);
