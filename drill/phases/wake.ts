import { createApi } from "../../history/api.ts";
import { type Phase, within } from "../phase.ts";
import { NAMESPACE } from "../scene.ts";
import { untilReplicas } from "../workload.ts";

const ZERO_LIMIT_MS = 5 * 60_000;
const END_LIMIT_MS = 120_000;
/** The documentation has its reader wait for this long. */
const SECONDS_MAX = 30;

export const wake: Phase = {
  name: "wake",
  title: "the first request finds no worker",
  run: async (scene) => {
    await untilReplicas(scene, "worker", (wanted) => wanted === 0, ZERO_LIMIT_MS);
    const [user] = await scene.users();
    const gateway = await scene.forward({
      namespace: NAMESPACE,
      target: "service/gateway",
      port: 80,
    });
    try {
      const api = createApi(`http://127.0.0.1:${gateway.port}`, user?.apiKey ?? "");
      const startedMs = performance.now();
      const { request_id: id } = await api.generate({
        prompt: "In one sentence: what does a tollgate do?",
        max_tokens: 64,
      });
      const { status } = await api.untilEnded(id, END_LIMIT_MS);
      const seconds = (performance.now() - startedMs) / 1_000;
      return [
        { what: "it completes", isKept: status === "completed", seen: status },
        within("it has ended", seconds, SECONDS_MAX),
      ];
    } finally {
      await gateway.stop();
    }
  },
};
