import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { generateEncryptionKey } from "../../adapters/crypto/envelope.ts";
import { generatePepper } from "../../adapters/crypto/key-hash.ts";
import { prepareDatabase } from "../../adapters/postgres/prepare.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";
import { createTestDatabaseOn, uniqueQueuePrefix } from "../support/servers.ts";
import { type Api, createApi } from "./api.ts";
import { type Books, openBooks } from "./books.ts";
import { type Component, createComponent, type Role } from "./component.ts";
import { type Settings, testSettings } from "./configuration.ts";
import { claimRedisIndex } from "./redis-index.ts";
import { createSimulatorControl, type SimulatorControl } from "./simulator-control.ts";
import { makeUser, type TestUser, type UserLimitsWish } from "./users.ts";

export interface StackOptions {
  /** Servers to use; the stack makes a database, a queue prefix and an index of Redis of its own there. */
  servers: ServerUrls;
  gateways?: number;
  workers?: number;
  collectors?: number;
  /** Changes of the configuration file. */
  settings?: Settings;
  /** More environment of a process at its first start, by its name: `{"worker-1": {CRASH_AT: "W1"}}`. */
  env?: Readonly<Record<string, Record<string, string>>>;
  /** The URLs that the processes are given, such as those of proxies, in place of the direct ones. */
  through?: (direct: ServerUrls) => Promise<ServerUrls>;
  /** The same for the ML service's base URL. */
  throughMl?: (direct: string) => Promise<string>;
}

/** A Tollgate of real processes, alone in its database, its queues and its index of Redis. */
export interface Stack {
  gateways: Component[];
  workers: Component[];
  collectors: Component[];
  ml: Component;
  simulator: SimulatorControl;
  books: Books;
  /** Direct URLs, whatever the processes go through. */
  urls: ServerUrls;
  /** Secret under which keys are hashed. */
  pepper: string;
  /** What every process is given, for one more: servers, secrets, the configuration file. */
  env: Readonly<Record<string, string>>;
  addUser: (wish?: UserLimitsWish) => Promise<TestUser>;
  /** The API of a gateway as a user sees it; null: without a key. */
  api: (user: TestUser | null, gateway?: number) => Api;
  /** The processes but for the simulator. */
  components: () => Component[];
  component: (name: string) => Component;
  /** Rewrites the configuration file that all processes watch. */
  configure: (changes: Settings) => Promise<void>;
  /** What each process has written so far, the end of it, for a test that failed. */
  logTail: () => string;
  /** Kills every process and removes everything. */
  stop: () => Promise<void>;
}

/** With `retry.delays_ms` of the test settings, so that the books know all queues. */
const delaysOf = (settings: Settings): number[] =>
  (settings["retry"] as { delays_ms: number[] }).delays_ms;

const LOG_TAIL_CHARS = 3_000;

interface Plan {
  folder: string;
  configPath: string;
  env: Record<string, string>;
  ports: number[];
}

function planComponents(role: Role, count: number, plan: Plan): Component[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${role}-${index + 1}`;
    const [port = 0, metricsPort = 0] = plan.ports.splice(0, 2);
    const base = `http://127.0.0.1:${port}`;
    const metrics = `http://127.0.0.1:${metricsPort}`;
    const isGateway = role === "gateway";
    return createComponent({
      name,
      role,
      url: isGateway ? base : metrics,
      readyUrl: `${isGateway ? base : metrics}/health/ready`,
      metricsUrl: `${metrics}/metrics`,
      logPath: join(plan.folder, `${name}.log`),
      env: {
        ...plan.env,
        TOLLGATE_CONFIG: plan.configPath,
        TOLLGATE_GATEWAY__PORT: String(port),
        [`TOLLGATE_${role.toUpperCase()}__METRICS_PORT`]: String(metricsPort),
      },
    });
  });
}

function planSimulator(plan: Plan): Component {
  const [port = 0] = plan.ports.splice(0, 1);
  const url = `http://127.0.0.1:${port}`;
  return createComponent({
    name: "ml-sim",
    role: "ml-sim",
    url,
    readyUrl: `${url}/health`,
    metricsUrl: `${url}/sim/stats`,
    logPath: join(plan.folder, "ml-sim.log"),
    env: { ML_SIM_PORT: String(port) },
  });
}

/** Starts a stack; each process is ready when this returns. What was started is gone again when it throws. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { gateways = 1, workers = 1, collectors = 1 } = options;
  const undo: (() => Promise<unknown> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const folder = mkdtempSync(join(tmpdir(), "tollgate-stack-"));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const { urls, prefix } = await makeRoom(options.servers, undo);
    const pepper = generatePepper();
    const given = (await options.through?.(urls)) ?? urls;
    const plan: Plan = {
      folder,
      configPath: join(folder, "tollgate.yaml"),
      env: {
        DATABASE_URL: given.postgres,
        REDIS_URL: given.redis,
        AMQP_URL: given.amqp,
        TOLLGATE_AMQP__QUEUE_PREFIX: prefix,
        TOLLGATE_SECRETS__ENCRYPTION_KEYS: generateEncryptionKey("k1"),
        TOLLGATE_SECRETS__KEY_PEPPER: pepper,
      },
      ports: await findFreePorts(1 + 2 * (gateways + workers + collectors)),
    };
    const ml = planSimulator(plan);
    const mlUrl = (await options.throughMl?.(ml.url)) ?? ml.url;
    const configure = async (changes: Settings): Promise<Settings> => {
      const settings = await testSettings(mlUrl, changes);
      // JSON is YAML.
      writeFileSync(plan.configPath, JSON.stringify(settings, null, 2));
      return settings;
    };
    const settings = await configure(options.settings ?? {});

    const books = await openBooks(urls, { prefix, retryDelaysMs: delaysOf(settings) });
    undo.push(() => books.close());
    undo.push(() => deleteQueues(books));
    const stack = {
      gateways: planComponents("gateway", gateways, plan),
      workers: planComponents("worker", workers, plan),
      collectors: planComponents("collector", collectors, plan),
    };
    const components = [...stack.gateways, ...stack.workers, ...stack.collectors];
    const everything = [ml, ...components];
    const logTail = (): string =>
      everything.map((one) => `── ${one.name}\n${one.log().slice(-LOG_TAIL_CHARS)}`).join("\n");
    undo.push(() => Promise.all(everything.map((one) => one.kill())));
    const starts = await Promise.allSettled(
      everything.map((one) => one.start(options.env?.[one.name])),
    );
    const failed = starts.find((result) => result.status === "rejected");
    if (failed !== undefined)
      throw new Error(`a stack did not start\n${logTail()}`, { cause: failed.reason });

    return {
      ...stack,
      ml,
      simulator: createSimulatorControl(ml.url),
      books,
      urls,
      pepper,
      env: { ...plan.env, TOLLGATE_CONFIG: plan.configPath },
      addUser: (wish) => makeUser(books.database, pepper, wish),
      api: (user, gateway = 0) => {
        const chosen = stack.gateways[gateway];
        if (chosen === undefined) throw new Error(`there is no gateway ${gateway}`);
        return createApi(chosen.url, user?.apiKey ?? null);
      },
      components: () => components,
      component: (name) => {
        const found = everything.find((one) => one.name === name);
        if (found === undefined) throw new Error(`there is no component ${name}`);
        return found;
      },
      configure: async (changes) => void (await configure(changes)),
      logTail,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A database with the schema, an index of Redis and a prefix for queues. */
async function makeRoom(
  servers: ServerUrls,
  undo: (() => Promise<unknown> | void)[],
): Promise<{ urls: ServerUrls; prefix: string }> {
  const database = await createTestDatabaseOn(servers.postgres);
  undo.push(() => database.drop());
  await prepareDatabase(database.url);
  const redis = await claimRedisIndex(servers.redis);
  undo.push(() => redis.release());
  const urls = { postgres: database.url, redis: redis.url, amqp: servers.amqp };
  return { urls, prefix: uniqueQueuePrefix() };
}

async function deleteQueues({ broker, queues }: Books): Promise<void> {
  for (const { name } of queues.queues)
    await broker.withChannel((channel) => channel.deleteQueue(name));
}
