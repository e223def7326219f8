import type { Scenario } from "../measure/bench.ts";
import { countExpected } from "../measure/climb.ts";
import { BARE, DOCUMENTED, startBento, type Style, TUNED } from "../peers/bento.ts";
import { measurePeer } from "../peers/peer.ts";

const DESIGN = "the original's design on Bento 1.20.0";

const bento = (name: string, about: string, style: Style): Scenario => ({
  name,
  about,
  part: "full",
  needs: ["wrk", "bento"],
  run: async (bench) => {
    await using undo = new AsyncDisposableStack();
    const running = await startBento(bench, style, undo);
    if (running === undefined) return;
    await measurePeer(bench, running.peer);
    await running.judge(countExpected(bench.measured.loads));
  },
});

export const bentoTuned = bento("bento-tuned", `${DESIGN}, tuned as well as we could`, TUNED);
export const bentoDocumented = bento(
  "bento-documented",
  `${DESIGN}, as its documentation has it`,
  DOCUMENTED,
);
export const bentoBare = bento("bento-bare", `${DESIGN}, tuned, without keys and encryption`, BARE);
