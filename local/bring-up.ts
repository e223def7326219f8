import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { join } from "node:path";

import { migrateStep } from "../adapters/postgres/migrate-step.ts";
import type { Config } from "../core/config/schema.ts";
import {
  componentEnvironment,
  describeComponents,
  simulatorOverrides,
  simulatorUrl,
} from "./components.ts";
import { type DemoOutcome, sendDemoRequest } from "./demo-request.ts";
import { ensureDemoUser } from "./demo-user.ts";
import { requireNoRestoreUnderWay } from "./backup/put-aside.ts";
import { requireFreePorts, startComponents, stopComponents } from "./supervision/launch.ts";
import { provideReader } from "./observe/reader.ts";
import { type Observers, startObservers, stopObservers } from "./observe/observe.ts";
import { printable } from "../adapters/terminal/printable.ts";
import { shortPath, type StatePaths } from "../adapters/state/paths.ts";
import type { Progress } from "../adapters/terminal/progress.ts";
import { readOrMakeSecrets } from "../adapters/state/secrets.ts";
import { callerFiles, type LocalTls, provideLocalTls } from "./tls/local-tls.ts";
import { startServers } from "./servers/servers.ts";
import { serverEnvironment } from "../adapters/state/server-urls.ts";
import { configPath, readConfig } from "../adapters/state/read-config.ts";
import { judgeStack, readStack } from "./supervision/supervised-stack.ts";
import { type UpJson, writeUpJson } from "../adapters/state/up-json.ts";

type Environment = Record<string, string | undefined>;

export interface Upped {
  up: UpJson;
  demo: DemoOutcome;
}

/** What operators' commands know and a stack does not. */
export interface Operator {
  /** Makes the user of the first request, with a key. */
  createDemoUser: (config: Config) => Promise<{ userId: string; apiKey: string }>;
  /** What is wrong with the running stack, a line each; never throws. */
  findTrouble: () => Promise<string[]>;
}

export interface BringUpOptions extends Operator {
  detached: boolean;
  observe: boolean;
  tls: boolean;
}

/**
 * Everything from nothing to a completed request. What an earlier `up` that was killed left behind is
 * replaced, its servers go on. That the first request is refused, fails or takes long is told, with what is
 * wrong, but it is no reason to stop what runs.
 *
 * @throws {CommandFailure} naming the step that failed, its log and what to do
 */
export async function bringUp(
  paths: StatePaths,
  progress: Progress,
  callerEnv: Environment,
  { detached, observe, tls: isEncrypted, createDemoUser, findTrouble }: BringUpOptions,
): Promise<Upped> {
  requireNoRestoreUnderWay(join(paths.servers, "postgres"));
  if (judgeStack(readStack(paths)) === "abandoned") {
    progress.say("  An earlier up was killed: replacing what it left behind.");
    await stopComponents(paths);
  }
  const { secrets, isNew } = readOrMakeSecrets(paths, callerEnv);
  if (isNew) progress.say(`✓ secrets made: ${shortPath(paths.secretsEnv)} (keep it with the data)`);
  // The components have another working directory.
  const file = configPath(callerEnv);
  const env = { ...callerEnv, ...secrets, TOLLGATE_CONFIG: file };
  const config = await readConfig(env);
  requireNoOwnCertificates(config);
  const tls = isEncrypted ? await provideLocalTls(paths.tls) : undefined;
  const components = describeComponents(config, env, tls);
  await requireFreePorts(components);

  const servers = await startServers(paths, progress, env, tls);
  await migrateStep({ url: servers.postgres }, progress);
  const metrics = metricsUrls(config, tls);
  const caller = tls && callerFiles(tls);
  let observers: Observers | undefined;
  if (observe) {
    const { gateway, worker, collector } = metrics;
    const targets = { gateway: [gateway], worker: [worker], collector: [collector] };
    observers = await startObservers(paths, progress, env, {
      targets,
      postgres: await provideReader(paths, progress, env, servers.postgres),
      tls: caller,
    });
  } else await stopObservers(paths);
  const componentEnv = {
    ...componentEnvironment(env, serverEnvironment(servers)),
    ...simulatorOverrides(config, env, tls),
  };
  await startComponents(components, componentEnv, paths, progress, { detached });

  const scheme = tls === undefined ? "http" : "https";
  const gateway = `${scheme}://${config.gateway.host}:${config.gateway.port}`;
  const user = await progress.step("demo user", async () => {
    const create = () =>
      createDemoUser({ ...config, postgres: { ...config.postgres, url: servers.postgres } });
    const found = await ensureDemoUser({ paths, gateway, tls: caller, create });
    return { ...found, detail: found.isNew ? "new, with a key" : "the key of last time" };
  });
  const up: UpJson = {
    gateway,
    metrics,
    ...servers,
    ml: simulatorUrl(env, tls),
    ...(caller && { tls: caller }),
    config: file,
    ...observers,
    api_key: user.apiKey,
    user_id: user.userId,
  };
  writeUpJson(paths, up);
  const demo = await progress.step("first request", async () => {
    const outcome = await sendDemoRequest({ gateway, tls: caller, apiKey: user.apiKey });
    return { ...outcome, detail: outcome.kind === "completed" ? "completed" : "not completed" };
  });
  if (demo.kind === "not-completed") {
    progress.say(`! The first request did not complete: ${printable(demo.what)}.`);
    for (const line of await findTrouble()) progress.say(`!   ${printable(line)}`);
    progress.say("! Everything else runs. See what is wrong: ./tollgate status");
  }
  return { up, demo };
}

/** `up` calls what it starts, and knows nobody who vouches for certificates of others. */
function requireNoOwnCertificates({ gateway, metrics }: Config): void {
  const named = [gateway.tls && "gateway.tls", metrics.tls && "metrics.tls"].filter(Boolean);
  if (named.length === 0) return;
  throw new CommandFailure(
    `up cannot call ports with certificates of yours: leave out ${named.join(" and ")}, or use ` +
      "./tollgate up --tls, which makes some; with yours run the roles by themselves (docker/, k8s/)",
    { exitCode: EXIT.usage },
  );
}

function metricsUrls(
  { gateway, worker, collector }: Config,
  tls: LocalTls | undefined,
): UpJson["metrics"] {
  const scheme = tls === undefined ? "http" : "https";
  const url = ({ host, metrics_port: port }: { host: string; metrics_port: number }): string =>
    `${scheme}://${host}:${port}/metrics`;
  return { gateway: url(gateway), worker: url(worker), collector: url(collector) };
}
