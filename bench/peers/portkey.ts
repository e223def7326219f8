import { join } from "node:path";

import { findFreePorts } from "../../local/processes/ports.ts";
import { createComponent } from "../../local/stack/component.ts";
import type { Call } from "../load/calls.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { BenchContext, Scenario } from "../scenarios/scenario.ts";
import { PORTKEY_VERSION } from "../tools/install-portkey.ts";
import { measurePeer } from "./peer.ts";

/** Chats for the simulator, as Portkey's gateway passes them on to an OpenAI service of one's own. */
async function chatCalls(simulatorUrl: string): Promise<Call[]> {
  const bodies = await shortBodies(500);
  return bodies.map(({ prompt, max_tokens }) => ({
    method: "POST",
    path: "/v1/chat/completions",
    headers: {
      authorization: "Bearer simulated",
      "content-type": "application/json",
      "x-portkey-provider": "openai",
      "x-portkey-custom-host": `${simulatorUrl}/v1`,
    },
    body: JSON.stringify({
      model: "sim-chat",
      messages: [{ role: "user", content: prompt }],
      max_tokens,
    }),
  }));
}

async function startSimulator(context: BenchContext) {
  const [port = 0] = await findFreePorts(1);
  const simulator = createComponent({
    name: "simulator",
    role: "simulator",
    ownPort: port,
    logPath: join(context.folder, "simulator.log"),
    env: {},
  });
  await simulator.start();
  return simulator;
}

export const portkey: Scenario = {
  name: "portkey",
  about: `Portkey's gateway ${PORTKEY_VERSION} before the simulator: it does less, for it waits for the answer and neither stores, meters nor repeats anything`,
  inQuick: false,
  needs: ["wrk", "portkey"],
  run: async (context) => {
    const program = context.tools.portkey;
    if (typeof program !== "string") {
      const notes = [`left out: ${program?.problem ?? "it was not brought"}`];
      return { figures: [], loads: [], samples: [], notes, failures: [] };
    }
    const simulator = await startSimulator(context);
    try {
      const calls = await chatCalls(simulator.url);
      return await measurePeer(context, (port) => ({
        title: "Portkey",
        command: ["node", program, `--port=${port}`, "--headless"],
        env: { NODE_ENV: "production" },
        readyPath: "/",
        calls,
        expectStatus: 200,
      }));
    } finally {
      await simulator.kill();
    }
  },
};
