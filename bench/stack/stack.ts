import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { generateEncryptionKey } from "../../adapters/crypto/envelope.ts";
import { generatePepper } from "../../adapters/crypto/key-hash.ts";
import { prepareDatabase } from "../../adapters/postgres/prepare.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { parseConfig } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import type { Settings as SimSettings } from "../../ml-sim/settings.ts";
import { createTestDatabaseOn, uniqueQueuePrefix } from "../../test/support/servers.ts";
import { type Books, openBooks } from "../../test/stack/books.ts";
import { type Component, createComponent, type Role } from "../../test/stack/component.ts";
import { mergeSettings, type Settings } from "../../test/stack/configuration.ts";
import { claimRedisIndex } from "../../test/stack/redis-index.ts";
import {
  createSimulatorControl,
  type SimulatorControl,
} from "../../test/stack/simulator-control.ts";
import type { Sample } from "../figures.ts";
import { type Sampler, startSampler } from "./sampler.ts";
import type { BenchServers } from "./servers.ts";

export interface BenchStackOptions {
  servers: BenchServers;
  /** Where its logs and its configuration are kept. */
  folder: string;
  /** Each process writes its CPU profile to a folder of its name below this one when it is stopped. */
  profileFolder?: string | undefined;
  /** All on one port. */
  gateways?: number;
  workers?: number;
  collectors?: number;
  /** Those parts are there but not started: `start` brings them up. */
  notYet?: readonly Role[];
  /** Changes of the configuration that the repository ships. */
  settings?: Settings;
  simulator?: Partial<SimSettings>;
}

/** A Tollgate of its own for one scenario: processes, database, queues and index of Redis are new and are removed afterwards. */
export interface BenchStack {
  /** The API, answered by all gateways in turn. */
  url: string;
  config: Config;
  pepper: string;
  books: Books;
  simulator: SimulatorControl;
  gateways: Component[];
  /** Starts what `notYet` left out, or what `stopRole` stopped. */
  startRole: (role: Role) => Promise<void>;
  stopRole: (role: Role) => Promise<void>;
  /** Counts the process and its children as `label` in the samples. */
  watch: (pid: number, label: string) => void;
  samples: () => Sample[];
  /** Leaves out the samples of before, such as those of a warm-up. */
  restartSamples: () => void;
  /** The end of each process's log, for a run that failed. */
  logTail: () => string;
  stop: () => Promise<void>;
}

const LOG_TAIL_CHARS = 1_500;

/** Names of the parts in samples and report. */
const LABELS: Record<Role, string> = {
  gateway: "gateway",
  worker: "worker",
  collector: "collector",
  "ml-sim": "simulator",
};

interface Plan {
  folder: string;
  profileFolder: string | undefined;
  env: Record<string, string>;
  apiPort: number;
  ports: number[];
}

function profileEnvironment({ profileFolder }: Plan, name: string): Record<string, string> {
  if (profileFolder === undefined) return {};
  return { BUN_OPTIONS: `--cpu-prof --cpu-prof-dir=${join(profileFolder, name)}` };
}

function planRole(role: Exclude<Role, "ml-sim">, count: number, plan: Plan): Component[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${role}-${index + 1}`;
    const metrics = `http://127.0.0.1:${plan.ports.shift()}`;
    return createComponent({
      name,
      role,
      url: role === "gateway" ? `http://127.0.0.1:${plan.apiPort}` : metrics,
      // On the metrics port, which is each process's own, so that every gateway is waited for.
      readyUrl: `${metrics}/health/ready`,
      metricsUrl: `${metrics}/metrics`,
      logPath: join(plan.folder, `${name}.log`),
      env: {
        ...plan.env,
        ...profileEnvironment(plan, name),
        TOLLGATE_GATEWAY__PORT: String(plan.apiPort),
        TOLLGATE_REUSE_PORT: role === "gateway" && count > 1 ? "1" : "0",
        [`TOLLGATE_${role.toUpperCase()}__METRICS_PORT`]: new URL(metrics).port,
        // Bun keeps calls above 256 waiting without a word.
        BUN_CONFIG_MAX_HTTP_REQUESTS: "2000",
      },
    });
  });
}

function planSimulator(plan: Plan): Component {
  const port = plan.ports.shift() ?? 0;
  const url = `http://127.0.0.1:${port}`;
  return createComponent({
    name: "ml-sim",
    role: "ml-sim",
    url,
    readyUrl: `${url}/health`,
    metricsUrl: `${url}/sim/stats`,
    logPath: join(plan.folder, "ml-sim.log"),
    env: { ML_SIM_PORT: String(port), NODE_ENV: "production" },
  });
}

/** The configuration that the repository ships, with its models at the simulator and `changes` on top. */
async function benchSettings(simulatorUrl: string, changes: Settings): Promise<Settings> {
  const shipped = Bun.YAML.parse(
    await Bun.file(join(PROJECT_ROOT, "tollgate.yaml")).text(),
  ) as Settings;
  const models = Object.fromEntries(
    Object.entries(shipped["models"] as Record<string, Settings>).map(([name, model]) => {
      const { pathname } = new URL(model["url"] as string);
      return [name, { ...model, url: `${simulatorUrl}${pathname}` }];
    }),
  );
  return mergeSettings({ ...shipped, models }, changes);
}

type Undo = (() => Promise<unknown> | void)[];

async function makeRoom(servers: BenchServers, undo: Undo): Promise<Record<string, string>> {
  const database = await createTestDatabaseOn(servers.urls.postgres);
  undo.push(() => database.drop());
  await prepareDatabase(database.url);
  const redis = await claimRedisIndex(servers.urls.redis);
  undo.push(() => redis.release());
  return {
    NODE_ENV: "production",
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    AMQP_URL: servers.urls.amqp,
    TOLLGATE_AMQP__QUEUE_PREFIX: uniqueQueuePrefix(),
    TOLLGATE_SECRETS__ENCRYPTION_KEYS: generateEncryptionKey("k1"),
    TOLLGATE_SECRETS__KEY_PEPPER: generatePepper(),
  };
}

async function openStackBooks(config: Config, undo: Undo): Promise<Books> {
  const books = await openBooks(
    { postgres: config.postgres.url, redis: config.redis.url, amqp: config.amqp.url },
    { prefix: config.amqp.queue_prefix, retryDelaysMs: config.retry.delays_ms },
  );
  undo.push(() => books.close());
  undo.push(async () => {
    for (const { name } of books.queues.queues)
      await books.broker.withChannel((channel) => channel.deleteQueue(name));
  });
  return books;
}

function sampleStack(
  labels: Map<number, string>,
  { broker, queues: { requests, results } }: Books,
): Sampler {
  return startSampler({
    labels: new Map([...labels, [process.pid, "bench"]]),
    readQueues: async () => {
      const depths = await queueDepths(broker, [requests.name, results.name]);
      const ready = (name: string): number => depths.get(name)?.ready ?? 0;
      return { requests: ready(requests.name), results: ready(results.name) };
    },
  });
}

/** Starts a stack; every process is ready when this returns. What was started is gone again when it throws. */
export async function startBenchStack(options: BenchStackOptions): Promise<BenchStack> {
  const { servers, gateways = 1, workers = 1, collectors = 1, notYet = [] } = options;
  const undo: Undo = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const folder = mkdtempSync(join(options.folder, "stack-"));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const configPath = join(folder, "tollgate.yaml");
    const [apiPort = 0, ...ports] = await findFreePorts(2 + gateways + workers + collectors);
    const env = { ...(await makeRoom(servers, undo)), TOLLGATE_CONFIG: configPath };
    const { profileFolder } = options;
    const plan: Plan = { folder, profileFolder, env, apiPort, ports };
    const simulator = planSimulator(plan);
    const settings = await benchSettings(simulator.url, options.settings ?? {});
    // JSON is YAML.
    writeFileSync(configPath, JSON.stringify(settings));
    const config = parseConfig(settings, env);
    const books = await openStackBooks(config, undo);
    const components: Record<Role, Component[]> = {
      "ml-sim": [simulator],
      gateway: planRole("gateway", gateways, plan),
      worker: planRole("worker", workers, plan),
      collector: planRole("collector", collectors, plan),
    };
    const everything = Object.values(components).flat();
    undo.push(() => Promise.all(everything.map((one) => one.kill())));
    // A process that is killed writes no profile.
    if (profileFolder !== undefined)
      undo.push(() =>
        Promise.all(everything.filter((one) => one.isRunning()).map((one) => one.terminate())),
      );
    const sampler = sampleStack(servers.labels, books);
    undo.push(() => sampler.stop());

    const startRole = async (role: Role): Promise<void> => {
      await Promise.all(components[role].map((one) => one.start()));
      for (const one of components[role]) {
        const pid = one.pid();
        if (pid !== undefined) sampler.watch(pid, LABELS[role]);
      }
    };
    const roles: Role[] = ["ml-sim", "gateway", "worker", "collector"];
    await Promise.all(roles.filter((role) => !notYet.includes(role)).map(startRole));
    const control = createSimulatorControl(simulator.url);
    if (options.simulator !== undefined) await control.set(options.simulator);

    return {
      url: `http://127.0.0.1:${apiPort}`,
      config,
      pepper: config.secrets.key_pepper,
      books,
      simulator: control,
      gateways: components.gateway,
      startRole,
      stopRole: async (role) => {
        await Promise.all(components[role].map((one) => one.terminate()));
      },
      watch: sampler.watch,
      samples: sampler.samples,
      restartSamples: sampler.restart,
      logTail: () =>
        everything.map((one) => `── ${one.name}\n${one.log().slice(-LOG_TAIL_CHARS)}`).join("\n"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
