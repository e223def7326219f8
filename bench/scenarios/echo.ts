import { join } from "node:path";

import type { Scenario } from "../measure/bench.ts";
import { measurePeer, startPeer } from "../peers/peer.ts";

export const echo: Scenario = {
  name: "echo",
  about:
    "the ceiling: a bare Elysia route that checks the body, responds with 202 and does no more",
  part: "quick",
  needs: ["wrk"],
  run: async (bench) => {
    await using undo = new AsyncDisposableStack();
    const build = (port: number) => ({
      title: "Elysia echo",
      command: [process.execPath, join(import.meta.dir, "../peers/echo/main.ts")],
      env: { PORT: String(port), NODE_ENV: "production" },
      readyPath: "/health/ready",
    });
    await measurePeer(bench, await startPeer(bench, build, undo));
  },
};
