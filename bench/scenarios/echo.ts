import { join } from "node:path";

import type { Scenario } from "../measure/bench.ts";
import { onStack } from "../measure/session.ts";
import { measurePeer, SERVERS_ONLY, startPeer } from "../peers/peer.ts";
import { shortBodies } from "../prompts/prompts.ts";

export const echo: Scenario = {
  name: "echo",
  about:
    "the ceiling: a bare Elysia route that checks the body, responds with 202 and does no more",
  part: "quick",
  needs: ["wrk"],
  run: onStack(SERVERS_ONLY, async (session) => {
    await using undo = new AsyncDisposableStack();
    const build = (port: number) => ({
      title: "Elysia echo",
      command: [process.execPath, join(import.meta.dir, "../peers/echo/main.ts")],
      env: { PORT: String(port), NODE_ENV: "production" },
      readyPath: "/health/ready",
    });
    const peer = await startPeer(session, build, undo);
    await measurePeer(session, peer, session.generate(await shortBodies(500)));
  }),
};
