import { findFreePorts } from "../../local/processes/ports.ts";
import { findBinaries } from "../../local/servers/binaries.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { type ManagedRabbitmq, startManagedRabbitmq } from "../support/managed-rabbitmq.ts";
import { serverUrls } from "../support/servers.ts";
import type { Api } from "../../history/api.ts";
import { startPrometheus } from "../support/stack/prometheus.ts";
import { type TestStack, startTestStack } from "../support/stack/stack.ts";
import { countMessages } from "./keda.ts";
import { samplesOf } from "./promql.ts";
import type { Trigger } from "./resources.ts";

/** A stack that works and a Prometheus that reads it. */
export interface ObservedStack {
  prometheusUrl: string;
  databaseUrl: string;
  /** Sends requests to a model, and waits for none. */
  post: (model: string, count: number) => Promise<void>;
  /** Ends the load, waits for what it has sent, and stops the workers. */
  rest: () => Promise<void>;
  /** What KEDA's trigger counts in RabbitMQ; null: this machine has none that can be asked as KEDA asks. */
  countMessages: ((trigger: Trigger) => Promise<number>) | null;
  /** The last log lines of its processes, for a test that failed. */
  logTail: () => string;
  stop: () => Promise<void>;
}

/**
 * `dead`: refuses connections, and is not to be probed before the test is over. `due`: the same, but it is to
 * be probed all the time. `resting`: an operator has paused it. Requests wait for each of the three.
 */
export const MODELS = {
  healthy: "sim-chat",
  dead: "dead",
  due: "due",
  resting: "resting",
} as const;
/** Models under load. */
export const LOADED = ["sim-chat", "sim-completions", "sim-json"] as const;
const CALLERS = 6;
const PAUSE_MS = 100;
/** Requests that wait for each model of which nothing can run. */
export const WAITING = 8;
/** So many that some of the requests that wait would ask for more than one worker. */
const TOKENS = 4_000;
const OBSERVED_LIMIT_MS = 30_000;
/** Longer than the test. */
const LONG_MS = 3_600_000;
/** Requests stay open for a while, so that panels of what waits have something to show. */
const SLOW_SIMULATOR = { ttft_ms: 200, token_ms: 2 };
/** The administrator of a managed RabbitMQ stands in for KEDA's user; `rabbitmq.test.ts` tries that one. */
const asAdministrator = ({ amqpUrl, managementUrl }: ManagedRabbitmq) => {
  const { username, password } = new URL(amqpUrl);
  return { url: managementUrl, username, password };
};

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
        model: LOADED[i % LOADED.length] ?? LOADED[0],
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

/** Starts both, and a light load on every model that lasts until `rest` or `stop`. */
export async function startObservedStack(program: string): Promise<ObservedStack> {
  const ended = new AbortController();
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    ended.abort();
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const hasRabbitmq = findBinaries(process.env["PATH"] ?? "").rabbitmq !== undefined;
    const rabbitmq = hasRabbitmq ? await startManagedRabbitmq() : null;
    undo.push(async () => rabbitmq?.remove());
    const stack = await startStackWithDeadModels(rabbitmq);
    undo.push(() => stack.stop());
    await stack.simulator.set(SLOW_SIMULATOR);
    const limits = { daily: { tokens: 10_000_000, requests: 100_000 } };
    const [caller, other] = await Promise.all([stack.addUser(limits), stack.addUser(limits)]);
    const prometheus = await startPrometheus(program, stack);
    undo.push(() => prometheus.stop());
    const api = stack.api(caller);
    const post: ObservedStack["post"] = async (model, count) => {
      const apis = [api, stack.api(other)];
      for (let i = 0; i < count; i += 1)
        await apis[i % 2]?.generate({ model, prompt: `request ${i}`, max_tokens: TOKENS });
    };
    const calling = Promise.all(
      Array.from({ length: CALLERS }, () => keepCalling(api, ended.signal)),
    );
    // Without load the queries stay empty, and the tests then say so.
    calling.catch((error: unknown) => process.stderr.write(`the load ended: ${String(error)}\n`));
    const calm = (): Promise<void> => {
      ended.abort();
      return calling.then(
        () => {},
        () => {},
      );
    };
    undo.push(calm);
    await makeModelsWait(stack, prometheus.url, post);
    return {
      prometheusUrl: prometheus.url,
      databaseUrl: stack.urls.postgres,
      post,
      rest: async () => {
        await calm();
        await stack.stopRole("worker");
      },
      countMessages:
        rabbitmq === null
          ? null
          : (trigger) => countMessages(prefixed(trigger, stack), asAdministrator(rabbitmq)),
      logTail: stack.logTail,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startStackWithDeadModels(rabbitmq: ManagedRabbitmq | null): Promise<TestStack> {
  const [port = 0] = await findFreePorts(1);
  const nobody = { protocol: "openai-chat", url: `http://127.0.0.1:${port}/v1/chat/completions` };
  const servers = serverUrls();
  return startTestStack({
    servers: { ...servers, amqp: rabbitmq?.amqpUrl ?? servers.amqp },
    settings: {
      models: {
        [MODELS.dead]: { ...nobody, breaker_open_ms: LONG_MS, breaker_open_max_ms: LONG_MS },
        [MODELS.due]: { ...nobody, breaker_open_ms: 200, breaker_open_max_ms: 200 },
        [MODELS.resting]: nobody,
      },
    },
  });
}

/** Requests wait for the three models of which nothing can run, and each of them is known as such. */
async function makeModelsWait(
  { books }: TestStack,
  prometheusUrl: string,
  post: ObservedStack["post"],
): Promise<void> {
  const untilPaused = (model: string): Promise<void> =>
    untilTrue(`${model} is paused`, OBSERVED_LIMIT_MS, async () => {
      const samples = await samplesOf(prometheusUrl, `max(model_paused{model="${model}"})`);
      return samples[0] === 1;
    });
  const { dead, due, resting } = MODELS;
  await books.database.run(
    "pause a model",
    (sql) =>
      sql`insert into model_pauses (model, paused_by, reason) values (${resting}, 'ann', 'rest')`,
  );
  await untilPaused(resting);
  for (const model of [dead, due, resting]) await post(model, WAITING);
  await Promise.all([dead, due].map(untilPaused));
}

/** The queues of a stack of tests have a prefix. */
function prefixed(trigger: Trigger, { config }: TestStack): Trigger {
  const { queueName = "" } = trigger.metadata;
  const prefix = config.amqp.queue_prefix.replaceAll(".", String.raw`\.`);
  return {
    ...trigger,
    metadata: { ...trigger.metadata, queueName: queueName.replace("^", `^${prefix}`) },
  };
}
