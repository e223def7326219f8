import type { Call } from "../load/calls.ts";
import type { Scenario } from "../measure/bench.ts";
import { ACCEPT_ONLY, onStack } from "../measure/session.ts";
import { measurePeer, SERVERS_ONLY, startPeer } from "../peers/peer.ts";
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
  run: onStack({ ...SERVERS_ONLY, notYet: ["gateway", ...ACCEPT_ONLY] }, async (session) => {
    const { portkey: tool } = session.tools;
    if (tool === undefined || "problem" in tool) {
      session.note(`left out: ${tool?.problem ?? "it was not brought"}`);
      return;
    }
    await using undo = new AsyncDisposableStack();
    const build = (port: number) => ({
      title: "Portkey",
      command: [...tool.command, `--port=${port}`, "--headless"],
      env: { NODE_ENV: "production" },
      readyPath: "/",
    });
    const peer = await startPeer(session, build, undo);
    const [simulator] = session.stack.componentsOf("simulator");
    const files = session.calls(await chatCalls(simulator?.url ?? ""));
    await measurePeer(session, peer, files, 200);
  }),
};
