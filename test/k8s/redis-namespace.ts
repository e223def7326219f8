/**
 * Three nodes of Redis with their Sentinels, started by the scripts of the production overlay under the names
 * that they have on a cluster, and Tollgate's client with the configuration of that overlay. It runs in
 * namespaces of its own for network and mounts, so that ports and names are free, and prints what it saw.
 */
import { mkdirSync, readlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { openRedis, redisOptions } from "../../adapters/process/redis.ts";
import { createClient } from "../../adapters/redis/client.ts";
import type { RedisConnection } from "../../adapters/redis/connection.ts";
import { createQuotaStore } from "../../adapters/redis/quota-store.ts";
import type { Config } from "../../core/config/schema.ts";
import { newPassword } from "../../local/servers/password.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { makeAuthority } from "../../local/tls/authority.ts";
import { silentLog } from "../../runtime/log.ts";
import { makeServerHome, requireBinaries } from "../faults/servers/server-home.ts";
import { createServerProcess, type ServerProcess } from "../faults/servers/server-process.ts";
import { freshTruth, limitsOf, newId } from "../support/quota-samples.ts";
import { built } from "./built.ts";
import { configOf } from "./config.ts";
import { linksOf } from "./links.ts";
import { type Certificate, type ConfigMap, ofKind } from "./resources.ts";

const DOMAIN = "redis-nodes.tollgate.svc.cluster.local";
const NODES = [0, 1, 2];
const START_LIMIT_MS = 40_000;
const FAILOVER_LIMIT_MS = 40_000;
const log = silentLog;

const resources = built?.["overlays/production"] ?? [];
const home = makeServerHome();
const passwords = { tollgate: newPassword(), replication: newPassword() };
const processes = new Map<string, ServerProcess>();

const addressOf = (node: number): string => `127.0.1.${node + 1}`;

/** The node's name and address, as a pod has them: its `hostname`, and servers bound to one address. */
function writePrograms(node: number, folder: string): void {
  const server = `exec ${requireBinaries("redis").server} "$@" --bind ${addressOf(node)}`;
  const programs = {
    hostname: `echo redis-${node}`,
    "redis-server": server,
    "redis-sentinel": `${server} --sentinel`,
  };
  for (const [name, line] of Object.entries(programs))
    writeFileSync(join(folder, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
}

/** Runs a script of the config map where a test may write. */
function startNode(node: number, script: "start-redis.sh" | "start-sentinel.sh"): void {
  const name = `${basename(script, ".sh")}-${node}`;
  const folder = join(home.folder, name);
  for (const one of ["bin", "data", "run"]) mkdirSync(join(folder, one), { recursive: true });
  writePrograms(node, join(folder, "bin"));
  const scripts = ofKind<ConfigMap>(resources, "ConfigMap").find(({ metadata }) =>
    metadata.name.startsWith("redis-scripts"),
  );
  const text = (scripts?.data?.[script] ?? "")
    .replaceAll("/run/redis", join(folder, "run"))
    .replaceAll("/tls/", `${home.folder}/tls/`)
    .replaceAll("/data", join(folder, "data"));
  writeFileSync(join(folder, script), text);
  const env = {
    PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
    NODES: String(NODES.length),
    DOMAIN,
    TOLLGATE_PASSWORD: passwords.tollgate,
    REPLICATION_PASSWORD: passwords.replication,
  };
  const started = createServerProcess(
    { name, command: ["sh", join(folder, script)], env },
    { folder },
  );
  processes.set(name, started);
  started.start();
}

/** The certificates of the manifests for servers and client, made by an authority of ours. */
async function makeCertificates() {
  const authority = await makeAuthority(join(home.folder, "authority"));
  const issue = async (name: string, folder: string): Promise<void> => {
    const wanted = ofKind<Certificate>(resources, "Certificate").find(
      ({ metadata }) => metadata.name === name,
    );
    const made = await authority.issue({ name, hosts: wanted?.spec.dnsNames ?? [] });
    mkdirSync(folder, { recursive: true });
    const files = { "ca.crt": authority.ca, "tls.crt": made.cert, "tls.key": made.key };
    for (const [file, path] of Object.entries(files))
      await Bun.write(join(folder, file), Bun.file(path));
  };
  await issue("redis", join(home.folder, "tls"));
  await issue("tollgate-client", join(home.folder, "client"));
}

/** The gateway's configuration with the passwords in it, and files where they are here. */
function clientConfig(): Config["redis"] {
  const { redis } = configOf(resources, "gateway");
  const [link] = linksOf(resources, "gateway").filter(({ host }) => host.startsWith("redis-0."));
  const mounted = dirname(link?.tls?.ca ?? "");
  const text = JSON.stringify(redis)
    .replaceAll(mounted, join(home.folder, "client"))
    .replaceAll("$(REDIS_PASSWORD)", passwords.tollgate);
  const found = JSON.parse(text) as Config["redis"];
  if (found.sentinels !== undefined) found.sentinels.password = passwords.tollgate;
  return found;
}

/** One round of a quota: loads a user as a gateway does, and takes a hold. */
async function admit(redis: RedisConnection): Promise<string> {
  const store = createQuotaStore(redis);
  const userId = newId();
  const ticket = await store.beginLoad(userId);
  if (ticket === undefined) throw new Error("a new user is known");
  await store.load(userId, ticket, freshTruth(limitsOf({ dailyTokens: 100 })));
  return (await store.admit({ userId, requestId: newId(), tokens: 10 })).kind;
}

/** What comes of a command on a connection of its own to the first server or Sentinel. */
async function ask(
  config: Config["redis"],
  change: { url?: string; withoutCertificate?: boolean },
  ...command: [string, ...string[]]
): Promise<string> {
  const { sentinels: _, ...single } = config;
  const { ca = "" } = config.tls ?? {};
  const wanted = {
    ...single,
    ...(change.url !== undefined && { url: change.url }),
    ...(change.withoutCertificate === true && { tls: { ca } }),
  };
  const client = createClient(await redisOptions({ redis: wanted }, "test", { log }), false);
  const { promise, reject } = Promise.withResolvers<never>();
  client.on("error", reject);
  try {
    await Promise.race([client.connect(), promise]);
    return String(await client.call(...command));
  } catch (error) {
    return `refused: ${String(error)}`;
  } finally {
    promise.catch(() => {});
    client.disconnect();
  }
}

/**
 * Makes the Sentinels quicker than they are on a cluster, and waits until each knows all nodes: before that
 * they could not choose a new master.
 */
async function prepareSentinels(config: Config["redis"]): Promise<void> {
  const login = `rediss://sentinel:${passwords.replication}`;
  for (const node of NODES) {
    const url = `${login}@redis-${node}.${DOMAIN}:26379`;
    await untilTrue(`Sentinel ${node} knows all nodes`, START_LIMIT_MS, async () => {
      await Bun.sleep(200);
      await ask(config, { url }, "SENTINEL", "DEBUG", "INFO-PERIOD", "500");
      await ask(config, { url }, "SENTINEL", "SET", "tollgate", "down-after-milliseconds", "1000");
      return (await ask(config, { url }, "INFO", "sentinel")).includes("slaves=2,sentinels=3");
    });
  }
}

async function observe() {
  await makeCertificates();
  const hosts = NODES.map((node) => `${addressOf(node)} redis-${node}.${DOMAIN}`).join("\n");
  writeFileSync(join(home.folder, "hosts"), `127.0.0.1 localhost\n${hosts}\n`);
  Bun.spawnSync(["mount", "--bind", join(home.folder, "hosts"), "/etc/hosts"]);
  for (const node of NODES) startNode(node, "start-redis.sh");
  for (const node of NODES) startNode(node, "start-sentinel.sh");

  const config = clientConfig();
  const redis = await openRedis({ redis: config }, "test", { log });
  // Writes need a replica that follows.
  const untilAdmitting = (what: string, limitMs: number) =>
    untilTrue(what, limitMs, async () => {
      await Bun.sleep(100);
      return (await admit(redis).catch(() => "away")) === "admitted";
    });
  await untilAdmitting("Redis admits", START_LIMIT_MS);
  await prepareSentinels(config);
  const [, login] = /^rediss:\/\/(.*)@/.exec(config.url) ?? [];
  const at = (port: number): string => `rediss://${login}@redis-1.${DOMAIN}:${port}`;
  const seen = {
    answers: await ask(config, { url: at(6379) }, "PING"),
    nodeWithoutCertificate: await ask(config, { url: at(6379), withoutCertificate: true }, "PING"),
    sentinelWithoutCertificate: await ask(
      config,
      { url: at(26379), withoutCertificate: true },
      "PING",
    ),
    administration: await ask(config, { url: at(6379) }, "CONFIG", "GET", "masterauth"),
    failover: await ask(config, { url: at(26379) }, "SENTINEL", "FAILOVER", "tollgate"),
  };
  const before = redis.server().instance;
  const killedAt = performance.now();
  await processes.get("start-redis-0")?.kill();
  await untilTrue("another master has taken over", FAILOVER_LIMIT_MS, async () => {
    await Bun.sleep(100);
    return redis.isReady() && redis.server().instance !== before;
  });
  await untilAdmitting("the new master admits", FAILOVER_LIMIT_MS);
  const failoverMs = Math.round(performance.now() - killedAt);
  startNode(0, "start-redis.sh");
  await untilTrue("the old master follows the new one", FAILOVER_LIMIT_MS, async () => {
    await Bun.sleep(100);
    const said = await redis.run(({ client }) => client.info("replication"));
    return said.match(/^slave\d+:.*state=online/gm)?.length === 2;
  });
  redis.close();
  return { ...seen, failoverMs };
}

const [own, parents] = ["self", process.ppid].map((pid) => readlinkSync(`/proc/${pid}/ns/mnt`));
if (own === parents) throw new Error("run this in namespaces of its own");
try {
  process.stdout.write(`${JSON.stringify(await observe())}\n`);
} catch (error) {
  for (const one of processes.values()) process.stderr.write(one.log().slice(-2_000));
  throw error;
} finally {
  await Promise.all([...processes.values()].map((one) => one.kill()));
  home.remove();
}
process.exit(0);
