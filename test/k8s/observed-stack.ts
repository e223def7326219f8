import { serverUrls } from "../support/servers.ts";
import type { Api } from "../support/stack/api.ts";
import { startPrometheus } from "../support/stack/prometheus.ts";
import { type TestStack, startTestStack } from "../support/stack/stack.ts";

/** A stack that works and a Prometheus that reads it. */
export interface ObservedStack {
  prometheusUrl: string;
  databaseUrl: string;
  /** The last log lines of its processes, for a test that failed. */
  logTail: () => string;
  stop: () => Promise<void>;
}

const MODELS = ["sim-chat", "sim-completions", "sim-json"] as const;
const CALLERS = 6;
const PAUSE_MS = 100;
/** Requests stay open for a while, so that panels of what waits have something to show. */
const SLOW_SIMULATOR = { ttft_ms: 200, token_ms: 2 };

/**
 * One caller: it sends a request to each model in turn and waits for it; now and then one that is wrong, and
 * one that fails at first.
 */
async function keepCalling(api: Api, signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    try {
      if (i % 5 === 0) await api.post({ prompt: 1 });
      const prompt = i % 4 === 0 ? `[[sim:fail-times:1]] ${i}` : `request ${i}`;
      const { request_id: id } = await api.generate({
        model: MODELS[i % MODELS.length] ?? MODELS[0],
        prompt,
        max_tokens: 32,
      });
      await api.untilEnded(id);
    } catch (error) {
      // The stack is stopped while calls are under way.
      if (!signal.aborted) throw error;
    }
    await Bun.sleep(PAUSE_MS);
  }
}

/** Starts both, and a light load on every model that lasts until `stop`. */
export async function startObservedStack(program: string): Promise<ObservedStack> {
  const stack: TestStack = await startTestStack({ servers: serverUrls() });
  const ended = new AbortController();
  const undo = [() => stack.stop()];
  const stop = async (): Promise<void> => {
    ended.abort();
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    await stack.simulator.set(SLOW_SIMULATOR);
    const user = await stack.addUser({ daily: { tokens: 10_000_000, requests: 100_000 } });
    const prometheus = await startPrometheus(program, stack);
    undo.push(() => prometheus.stop());
    const api = stack.api(user);
    const calling = Promise.all(
      Array.from({ length: CALLERS }, () => keepCalling(api, ended.signal)),
    );
    // Without load the queries stay empty, and the tests then say so.
    calling.catch((error: unknown) => process.stderr.write(`the load ended: ${String(error)}\n`));
    undo.push(() => calling.then(() => {}).catch(() => {}));
    return {
      prometheusUrl: prometheus.url,
      databaseUrl: stack.urls.postgres,
      logTail: stack.logTail,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
