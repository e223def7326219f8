import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { generateEncryptionKey } from "../../adapters/crypto/envelope.ts";
import { generatePepper } from "../../adapters/crypto/key-hash.ts";
import { prepareDatabase } from "../../adapters/postgres/prepare.ts";
import { topologyOf } from "../../adapters/process/connections.ts";
import { serverEnvironment, type ServerUrls } from "../../adapters/state/server-urls.ts";
import { parseConfig } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import type { Settings as SimSettings } from "../../ml-sim/settings.ts";
import { findFreePorts } from "../processes/ports.ts";
import { callerFiles, type LocalTls } from "../tls/local-tls.ts";
import { type Role, ROLES } from "../roles.ts";
import { type Books, openBooks } from "./books.ts";
import { type Component, createComponent } from "./component.ts";
import { deleteQueues } from "./delete-queues.ts";
import { createDatabaseOn } from "./own-database.ts";
import { uniqueQueuePrefix } from "./queue-prefix.ts";
import { claimRedisIndex } from "./redis-index.ts";
import { mergeSettings, type Settings, stackSettings } from "./settings.ts";
import { createSimulatorControl, type SimulatorControl } from "./simulator-control.ts";

export interface StackOptions {
  /** Servers to use; the stack makes a database, a queue prefix and an index of Redis of its own there. */
  servers: ServerUrls;
  /**
   * With it all processes listen encrypted, as those servers do; the simulator and the ports of metrics
   * demand a certificate.
   */
  tls?: LocalTls | undefined;
  /**
   * The section `redis` of a Redis, or a group of it, that the stack has for itself: then it is used in the
   * place of an index of the server above.
   */
  redis?: Settings & { url: string };
  /**
   * Where the folder with its logs and its configuration is made; default: with the temporary files of this
   * machine.
   */
  folder?: string;
  gateways?: number;
  /** All gateways listen on one port, as behind a load balancer; else each on its own. */
  sharesGatewayPort?: boolean;
  workers?: number;
  collectors?: number;
  /** Those parts are there but not started: `startRole` brings them up. */
  notYet?: readonly Role[];
  /** Changes of the configuration that the repository ships. */
  settings?: Settings;
  /** Changes of the simulator's settings. */
  simulator?: Partial<SimSettings>;
  /** More models, each at a simulator of its own that can fail or be stopped alone: `simulator-NAME`. */
  ownSimulators?: readonly string[];
  /** More environment of a process at its first start, by its name: `{"worker-1": {CRASH_AT: "W1"}}`. */
  env?: Readonly<Record<string, Record<string, string>>>;
  /** The URLs that the processes are given, such as those of proxies, in place of the direct ones. */
  through?: (direct: ServerUrls) => Promise<GivenUrls>;
  /** The same for the ML service's base URL. */
  throughMl?: (direct: string) => Promise<string>;
  /**
   * Each process writes its CPU profile, and a summary of it, to a folder of its name below this one when
   * it is stopped.
   */
  profileFolder?: string | undefined;
}

/** `postgresDirect`: past the pooler that `postgres` leads to. */
type GivenUrls = ServerUrls & { postgresDirect?: string };

/** A Tollgate of real processes, alone in its database, its queues and its index of Redis. */
export interface Stack {
  /** The API: of all gateways when they share a port, else of the first. */
  url: string;
  gateways: Component[];
  workers: Component[];
  collectors: Component[];
  simulator: SimulatorControl;
  /** The simulator of a model: its own, or the one that the others share. */
  simulatorOf: (model: string) => SimulatorControl;
  books: Books;
  /** Direct URLs, whatever the processes go through. */
  urls: ServerUrls;
  /** What the processes started with. */
  config: Config;
  /** What every process is given, for one more: servers, secrets, the configuration file. */
  env: Readonly<Record<string, string>>;
  /** The processes but for the simulator. */
  components: () => Component[];
  component: (name: string) => Component;
  /** Starts what `notYet` left out, or what `stopRole` stopped. */
  startRole: (role: Role) => Promise<void>;
  stopRole: (role: Role) => Promise<void>;
  componentsOf: (role: Role) => readonly Component[];
  /** Rewrites the configuration file that all processes watch. */
  configure: (changes: Settings) => Promise<void>;
  /** The end of what each process has written so far, for a run that failed. */
  logTail: () => string;
  /** Kills every process and removes everything. */
  stop: () => Promise<void>;
}

const LOG_TAIL_CHARS = 3_000;
const OWN_SIMULATOR = "simulator-";

/** How what was made is removed again; the last first. */
type Undo = (() => Promise<unknown> | void)[];

/** Starts a stack; each process is ready when this returns. What was started is gone again when it throws. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const undo: Undo = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    return { ...(await build(options, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(options: StackOptions, undo: Undo): Promise<Omit<Stack, "stop">> {
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), "tollgate-stack-"));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const configPath = join(folder, "tollgate.yaml");
  const urls = await makeRoom(options, undo);
  const given: GivenUrls = (await options.through?.(urls)) ?? urls;
  const env = {
    ...serverEnvironment(given),
    ...(given.postgresDirect !== undefined && { DATABASE_DIRECT_URL: given.postgresDirect }),
    TOLLGATE_AMQP__QUEUE_PREFIX: uniqueQueuePrefix(),
    TOLLGATE_SECRETS__ENCRYPTION_KEYS: generateEncryptionKey("k1"),
    TOLLGATE_SECRETS__KEY_PEPPER: generatePepper(),
    TOLLGATE_CONFIG: configPath,
  };
  const caller = options.tls && callerFiles(options.tls);
  const components = await planComponents(options, folder, env);
  const everything = ROLES.flatMap((role) => components[role]);
  const simulatorUrl = components.simulator[0]?.url ?? "";
  const mlUrl = (await options.throughMl?.(simulatorUrl)) ?? simulatorUrl;
  const ownUrls = new Map(
    components.simulator.slice(1).map(({ name, url }) => [name.slice(OWN_SIMULATOR.length), url]),
  );
  const configure = async (changes: Settings): Promise<Settings> => {
    const own = options.redis === undefined ? changes : withRedis(changes, options.redis);
    const settings = await stackSettings({ url: mlUrl, ownUrls, tls: caller }, own);
    // JSON is YAML.
    writeFileSync(configPath, JSON.stringify(settings, null, 2));
    return settings;
  };
  const config = parseConfig(await configure(options.settings ?? {}), env);
  const books = await openOwnBooks(urls, config, undo);

  const logTail = (): string =>
    everything.map((one) => `── ${one.name}\n${one.log().slice(-LOG_TAIL_CHARS)}`).join("\n");
  undo.push(() => Promise.all(everything.map((one) => one.kill())));
  // A process that is killed writes no profile.
  if (options.profileFolder !== undefined) {
    const running = (): Component[] => everything.filter((one) => one.isRunning());
    undo.push(() => Promise.all(running().map((one) => one.terminate())));
  }
  const starts = await Promise.allSettled(
    everything
      .filter(({ role }) => options.notYet?.includes(role) !== true)
      .map((one) => one.start(options.env?.[one.name])),
  );
  const failed = starts.find((result) => result.status === "rejected");
  if (failed !== undefined)
    throw new Error(`a stack did not start\n${logTail()}`, { cause: failed.reason });
  const simulator = createSimulatorControl(simulatorUrl, caller);
  if (options.simulator !== undefined) await simulator.set(options.simulator);

  return {
    url: components.gateway[0]?.url ?? "",
    gateways: components.gateway,
    workers: components.worker,
    collectors: components.collector,
    simulator,
    simulatorOf: (model) => createSimulatorControl(ownUrls.get(model) ?? simulatorUrl, caller),
    books,
    urls,
    config,
    env,
    components: () => everything.filter(({ role }) => role !== "simulator"),
    component: (name) => {
      const found = everything.find((one) => one.name === name);
      if (found === undefined) throw new Error(`there is no component ${name}`);
      return found;
    },
    startRole: async (role) => {
      await Promise.all(components[role].map((one) => one.start()));
    },
    stopRole: async (role) => {
      await Promise.all(components[role].map((one) => one.terminate()));
    },
    componentsOf: (role) => components[role],
    configure: async (changes) => void (await configure(changes)),
    logTail,
  };
}

const withRedis = (changes: Settings, redis: Settings): Settings =>
  mergeSettings({ redis }, changes);

/** A database with the schema, and an index of Redis. */
async function makeRoom({ servers, redis: own }: StackOptions, undo: Undo): Promise<ServerUrls> {
  const database = await createDatabaseOn(servers.postgres);
  undo.push(() => database.drop());
  await prepareDatabase({ url: database.url });
  if (own !== undefined) return { postgres: database.url, redis: own.url, amqp: servers.amqp };
  const redis = await claimRedisIndex(servers.redis);
  undo.push(() => redis.release());
  return { postgres: database.url, redis: redis.url, amqp: servers.amqp };
}

/** The books of the stack; its queues go before they are closed. */
async function openOwnBooks(urls: ServerUrls, config: Config, undo: Undo): Promise<Books> {
  const books = await openBooks(urls, config.redis, topologyOf(config));
  undo.push(() => books.close());
  undo.push(async () => {
    await deleteQueues(books.broker.withChannel, books.queues.queues);
  });
  return books;
}

async function planComponents(
  options: StackOptions,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<Record<Role, Component[]>> {
  const { gateways = 1, workers = 1, collectors = 1, ownSimulators = [] } = options;
  const { sharesGatewayPort, profileFolder } = options;
  const simulators = ["simulator", ...ownSimulators.map((model) => `${OWN_SIMULATOR}${model}`)];
  const ports = await findFreePorts(simulators.length + 2 * gateways + workers + collectors);
  const takePort = (): number => ports.pop() ?? 0;
  const apiPorts = Array.from({ length: gateways }, takePort);
  const isShared = sharesGatewayPort === true && gateways > 1;
  const plan = (name: string, role: Role, apiPort?: number): Component =>
    createComponent({
      name,
      role,
      ownPort: takePort(),
      ...(apiPort !== undefined && { apiPort }),
      logPath: join(folder, `${name}.log`),
      tls: options.tls,
      env: {
        ...env,
        ...(profileFolder !== undefined && {
          BUN_OPTIONS: `--cpu-prof --cpu-prof-md --cpu-prof-dir=${join(profileFolder, name)}`,
        }),
        ...(role === "gateway" && isShared && { TOLLGATE_REUSE_PORT: "1" }),
      },
    });
  const planMany = (role: Role, count: number): Component[] =>
    Array.from({ length: count }, (_, index) => plan(`${role}-${index + 1}`, role));
  return {
    simulator: simulators.map((name) => plan(name, "simulator")),
    gateway: apiPorts.map((port, index) =>
      plan(`gateway-${index + 1}`, "gateway", isShared ? apiPorts[0] : port),
    ),
    worker: planMany("worker", workers),
    collector: planMany("collector", collectors),
  };
}
