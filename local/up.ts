import { rmSync } from "node:fs";

import { shortPath, type StatePaths, statePaths } from "../adapters/state/paths.ts";
import type { UpJson } from "../adapters/state/up-json.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { printable } from "../adapters/terminal/printable.ts";
import { createProgress, type Progress } from "../adapters/terminal/progress.ts";
import { bringUp, type Operator, type Upped } from "./bring-up.ts";
import { demoBody } from "./demo-request.ts";
import { findLinks } from "./observe/links.ts";
import { formatStatusLine, scrape } from "./observe/status-line.ts";
import { listProcesses } from "./process-list.ts";
import { alreadyUp } from "./already-up.ts";
import { takeLock } from "./processes/lock.ts";
import { stopServers } from "./servers/servers.ts";
import { stopComponents } from "./supervision/launch.ts";
import { judgeStack, readStack } from "./supervision/supervised-stack.ts";

export interface UpOptions {
  detach?: boolean;
  json?: boolean;
  observe?: boolean;
  tls?: boolean;
}

const SAME_SIGNAL_MS = 1_000;
const LATE_START_MS = 1_000;
const STATUS_PERIOD_MS = 1_000;
/** Without a terminal a line is a line of a log. */
const PLAIN_STATUS_PERIOD_MS = 10_000;

/**
 * Starts everything, shows it, and stays until a signal unless it is to be detached.
 *
 * @throws {CommandFailure} naming the step that failed, its log and what to do
 */
export async function up(options: UpOptions, operator: Operator): Promise<void> {
  const paths = statePaths();
  const detached = options.detach === true;
  if (options.json === true && !detached)
    throw new CommandFailure("--json needs --detach", { exitCode: EXIT.usage });
  const lock = await requireNotRunning(paths);
  const progress = createProgress(options.json === true ? process.stderr : process.stdout);
  const interrupted = onInterrupt();
  try {
    const bringing = bringUp(paths, progress, process.env, {
      detached,
      observe: options.observe === true,
      tls: options.tls === true,
      ...operator,
    });
    const upped = await Promise.race([bringing, interrupted.then(() => undefined)]);
    if (upped === undefined) {
      await stopAll(paths, progress);
      // What was being started when the signal came fails now, or is stopped a moment later.
      await Promise.race([bringing.catch(() => {}), Bun.sleep(LATE_START_MS)]);
      await stopComponents(paths);
      await stopServers(paths);
      lock.release();
      process.exit(EXIT.interrupted);
    }
    if (options.json === true) process.stdout.write(`${JSON.stringify(upped.up, null, 2)}\n`);
    else await describeResult(upped, progress, detached);
    if (!detached) {
      await showStatus(upped.up, interrupted);
      await stopAll(paths, progress);
    }
  } catch (error) {
    await stopAll(paths, progress);
    throw error;
  } finally {
    lock.release();
  }
}

async function requireNotRunning(paths: StatePaths): Promise<{ release: () => void }> {
  const lock = takeLock(paths.lock);
  if ("holder" in lock)
    throw await alreadyUp(paths, `in another terminal (pid ${lock.holder.pid})`);
  if (judgeStack(readStack(paths)) !== "running") return lock;
  lock.release();
  throw await alreadyUp(paths, "detached");
}

/** Resolves at the first signal that asks us to stop; a later one ends this process at once. */
function onInterrupt(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let firstAtMs: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      firstAtMs ??= Date.now();
      // One Ctrl-C arrives twice where a wrapper such as `bun run up` passes on what the terminal sends to
      // all.
      if (Date.now() - firstAtMs > SAME_SIGNAL_MS) process.exit(EXIT.interrupted);
      resolve();
    });
  }
  return promise;
}

async function stopAll(paths: StatePaths, progress: Progress): Promise<void> {
  if (listProcesses(paths).length === 0) return;
  await progress.step("stopping", async () => {
    await stopComponents(paths);
    await stopServers(paths);
    rmSync(paths.upJson, { force: true });
    return { detail: "the data are kept" };
  });
}

async function describeResult(
  { up: running, demo }: Upped,
  { say }: Progress,
  detached: boolean,
): Promise<void> {
  say("");
  if (demo.kind === "completed") {
    const text = printable(JSON.stringify(demo.text.slice(0, 100)));
    say(`The first request ${demo.requestId} is completed: ${text}`);
    say(
      `Tokens: ${demo.tokensHeld} held, ${demo.tokensUsed} used, ${demo.tokensGivenBack} given back.`,
    );
    say("");
  }
  say("Try it:");
  const trust = running.tls === undefined ? "" : `--cacert ${shortPath(running.tls.ca)} `;
  say(
    `  curl -s ${trust}${running.gateway}/generate -H 'Authorization: Bearer ${running.api_key}' -H ` +
      `'Content-Type: application/json' -d '${demoBody()}'`,
  );
  say("");
  say(`  API        ${running.gateway}   (documentation: ${running.gateway}/docs)`);
  for (const [role, url] of Object.entries(running.metrics)) say(`  metrics    ${url} (${role})`);
  say(`  simulator  ${running.ml}`);
  say(`  logs       ./tollgate logs -f      processes: ./tollgate ps`);
  say("");
  if (running.prometheus !== undefined) await describeObservers(running.prometheus, running, say);
  if (detached)
    say(`It runs on; ${shortPath(statePaths().upJson)} tells scripts where. Stop: ./tollgate down`);
  else say("Ctrl-C stops it and keeps the data.");
}

async function describeObservers(
  prometheus: string,
  { grafana }: UpJson,
  say: Progress["say"],
): Promise<void> {
  const { alerts, graphs } = await findLinks(prometheus);
  say("Watch it:");
  say(`  Prometheus ${prometheus}   (alerts: ${alerts})`);
  if (grafana !== undefined) say(`  Grafana    ${grafana}/dashboards`);
  for (const { title, url } of graphs) say(`  ${title}:\n    ${url}`);
  say("");
}

/** One line that changes on a terminal, or a line now and then elsewhere, until the signal. */
async function showStatus(running: UpJson, interrupted: Promise<void>): Promise<void> {
  const isTerminal = process.stdout.isTTY;
  const periodMs = isTerminal ? STATUS_PERIOD_MS : PLAIN_STATUS_PERIOD_MS;
  const stopped = new AbortController();
  void interrupted.then(() => stopped.abort());
  let before = await scrape(running.metrics, running.tls);
  while (!stopped.signal.aborted) {
    await Promise.race([Bun.sleep(periodMs), interrupted]);
    const now = await scrape(running.metrics, running.tls);
    const line = formatStatusLine(before, now);
    process.stdout.write(isTerminal ? `\r\u001B[2K${line}` : `${line}\n`);
    before = now;
  }
  process.stdout.write("\n");
}
