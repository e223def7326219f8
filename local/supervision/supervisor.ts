import { localTlsIn } from "../tls/local-tls.ts";
import { copyFileSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";

import { loadConfig } from "../../adapters/config/load.ts";
import { type ComponentPlan, describeComponents } from "../components.ts";
import { writeJsonFile } from "../../adapters/state/json-file.ts";
import { statePaths } from "../../adapters/state/paths.ts";
import { identifyProcess } from "../processes/process-identity.ts";
import { readSource } from "../servers/state.ts";
import type { Stack } from "./supervised-stack.ts";
import { configPath } from "../../adapters/state/read-config.ts";
import { type Supervised, superviseComponent } from "./supervise.ts";
import { localRevivals, superviseServer, type SupervisedServer } from "./supervise-server.ts";

/**
 * A process of its own, started by `up`: runs the components until SIGTERM, and keeps private servers running
 * that `up` has started. Its environment is the components'.
 * Arguments: the state folder, and the pid of the `up` that owns it, or 0 when detached.
 */

const LOG_BYTES_MAX = 20 * 1024 * 1024;
const LOG_CHECK_MS = 10_000;
const STOP_GRACE_MS = 4_000;
const SIMULATOR_STOP_GRACE_MS = 500;

/** Cuts logs that grow too long. The components write by appending, so they go on at the new end. */
function boundLogs(folder: string): void {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".log"))) {
    const path = join(folder, name);
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) <= LOG_BYTES_MAX) continue;
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
  }
}

function runComponents(components: ComponentPlan[], stateDir: string, ownerPid: number): void {
  const paths = statePaths(stateDir);
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new Error("this process cannot be identified");
  const owner = ownerPid === 0 ? undefined : identifyProcess(ownerPid);
  const startedAt = new Date().toISOString();
  const supervised: Supervised[] = [];
  const servers: SupervisedServer[] = [];

  function note(): void {
    const stack: Stack = {
      ...(owner === undefined ? {} : { owner }),
      supervisor: self ?? { pid: process.pid, started: "" },
      started_at: startedAt,
      components: supervised.map(({ status }) => status()),
      ...(servers.length === 0 ? {} : { servers: servers.map(({ status }) => status()) }),
    };
    writeJsonFile(paths.stack, stack);
  }

  for (const component of components)
    supervised.push(superviseComponent(component, paths.logs, note));
  if (readSource(paths) === "local")
    for (const revival of localRevivals(paths, process.env["PATH"] ?? ""))
      servers.push(superviseServer(revival, note));
  note();
  const logCheck = setInterval(() => boundLogs(paths.logs), LOG_CHECK_MS);

  let isStopping = false;
  async function stop(): Promise<void> {
    if (isStopping) return;
    isStopping = true;
    clearInterval(logCheck);
    // First, so that nothing is started while everything is stopped.
    await Promise.all(servers.map((server) => server.stop()));
    // The simulator last, so that attempts under way can end.
    const [simulator, ...others] = supervised;
    await Promise.all(others.map((component) => component.stop(STOP_GRACE_MS)));
    await simulator?.stop(SIMULATOR_STOP_GRACE_MS);
    rmSync(paths.stack, { force: true });
    process.exit(0);
  }
  process.on("SIGTERM", () => void stop());
  process.on("SIGINT", () => void stop());
}

const [stateDir = "", ownerPid = "0", how = "plain"] = process.argv.slice(2);
const config = await loadConfig(configPath(process.env), process.env);
const tls = how === "tls" ? localTlsIn(statePaths(stateDir).tls) : undefined;
runComponents(describeComponents(config, process.env, tls), stateDir, Number(ownerPid));
