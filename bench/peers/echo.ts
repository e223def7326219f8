import { join } from "node:path";

import type { Scenario } from "../scenarios/scenario.ts";
import { measurePeer } from "./peer.ts";

export const echo: Scenario = {
  name: "echo",
  about: "the ceiling: a bare Elysia route that checks the body, answers 202 and does nothing else",
  inQuick: true,
  needs: ["wrk"],
  run: (context) =>
    measurePeer(context, (port) => ({
      title: "Elysia echo",
      command: [process.execPath, join(import.meta.dir, "echo/main.ts")],
      env: { PORT: String(port), NODE_ENV: "production" },
      readyPath: "/health/ready",
    })),
};
