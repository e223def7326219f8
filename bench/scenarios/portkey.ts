import { join } from "node:path";

import { findFreePorts } from "../../local/processes/ports.ts";
import { createComponent } from "../../local/stack/component.ts";
import type { Call } from "../load/calls.ts";
import type { Scenario } from "../measure/bench.ts";
import { measurePeer, startPeer } from "../peers/peer.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { PORTKEY_VERSION } from "../tools/tools.ts";

/** Chats for the simulator, as Portkey's gateway passes them on to an OpenAI service of one's own. */
async function chatCalls(simulatorUrl: string): Promise<Call[]> {
  const headers = {
    authorization: "Bearer simulated",
    "content-type": "application/json",
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `${simulatorUrl}/v1`,
  };
  return (await shortBodies(500)).map(({ prompt: content, max_tokens }) => {
    const body = { model: "sim-chat", messages: [{ role: "user", content }], max_tokens };
    return { method: "POST", path: "/v1/chat/completions", headers, body: JSON.stringify(body) };
  });
}

export const portkey: Scenario = {
  name: "portkey",
  about: `Portkey's gateway ${PORTKEY_VERSION}: waits for the model; neither stores, meters nor repeats`,
  part: "full",
  needs: ["wrk", "portkey"],
  run: async (bench) => {
    const { portkey: tool } = bench.tools;
    if (tool === undefined || "problem" in tool) {
      bench.note(`left out: ${tool?.problem ?? "it was not brought"}`);
      return;
    }
    await using undo = new AsyncDisposableStack();
    const [ownPort = 0] = await findFreePorts(1);
    const logPath = join(bench.folder, "simulator.log");
    const as = { name: "simulator", role: "simulator" } as const;
    const simulator = createComponent({ ...as, ownPort, logPath, env: {} });
    undo.defer(() => simulator.kill());
    await simulator.start();
    const calls = await chatCalls(simulator.url);
    const build = (port: number) => ({
      title: "Portkey",
      command: [...tool.command, `--port=${port}`, "--headless"],
      env: { NODE_ENV: "production" },
      readyPath: "/",
      status: 200,
      calls,
    });
    await measurePeer(bench, await startPeer(bench, build, undo));
  },
};
