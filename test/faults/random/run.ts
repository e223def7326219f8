import { seededRandom } from "../../../ml-sim/faults.ts";
import type { ServerUrls } from "../../../adapters/state/server-urls.ts";
import { startServersToWreck } from "../../support/private-servers.ts";
import { type TestStack, startTestStack } from "../../support/stack/stack.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { type CheckReport, violationsOf } from "../../../history/check.ts";
import type { Load } from "../../../history/load.ts";
import { formatReport } from "../../../history/report.ts";
import { createRuns } from "../run.ts";
import { drawDisturbance, type Target } from "./disturbances.ts";
import { startTrouble, TROUBLE_STACK } from "./trouble.ts";
import { formatMemory, grownProcesses, readMemory } from "./memory.ts";
import { type Watch, watchComponents } from "./watch.ts";

export interface RandomRunOptions {
  minutes: number;
  seed: number;
  ratePerSecond: number;
  say: (line: string) => void;
  /** Ends the run without a verdict; everything it started is stopped. */
  signal: AbortSignal;
}

const WARM_UP_MS = 15_000;
const PAUSE_MS_MAX = 4_000;
const STATUS_MS = 10_000;
const QUIET_LIMIT_MS = 180_000;
const USERS = 5;
const READ_EVERY = 20;
/** This share of the ML service's replies goes wrong by itself. */
const ML_FAULTS = { "500": 0.005, "429": 0.002, reset: 0.002, truncate: 0.002 };

/**
 * Draws faults by a seed for as long as asked, while one model's ML service is away for a minute and more and
 * a user floods another. Returns whether nothing was lost or billed twice, nothing failed because an ML
 * service was away, others waited no longer than they may, no hold was left and no process grew.
 */
export async function runRandomFaults(options: RandomRunOptions): Promise<boolean> {
  const { say } = options;
  const undo: (() => Promise<unknown>)[] = [];
  try {
    say("starting PostgreSQL, Redis and RabbitMQ");
    const servers = await startServersToWreck();
    undo.push(() => servers.remove());
    const proxies: TcpProxy[] = [];
    undo.push(() => Promise.all(proxies.map((proxy) => proxy.stop())));
    const stack = await startTestStack({
      servers: servers.urls,
      gateways: 2,
      workers: 2,
      collectors: 2,
      ownSimulators: TROUBLE_STACK.ownSimulators,
      settings: {
        retry: { attempts_max: 12 },
        worker: { crashes_max: 12 },
        models: TROUBLE_STACK.models,
      },
      through: (urls) => throughProxies(urls, proxies),
    });
    undo.push(() => stack.stop());
    await stack.simulator.set({ ttft_ms: 20, fault_rates: ML_FAULTS, seed: options.seed });
    const target: Target = { stack, servers, proxies, random: seededRandom(options.seed) };
    return await Promise.race([disturbUnderLoad(target, options), interruption(options.signal)]);
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

function interruption(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const interrupt = (): void => reject(new Error("interrupted"));
    if (signal.aborted) interrupt();
    signal.addEventListener("abort", interrupt);
  });
}

async function throughProxies(urls: ServerUrls, proxies: TcpProxy[]): Promise<ServerUrls> {
  const through = async (url: string): Promise<string> => {
    const proxy = await startTcpProxy(url);
    proxies.push(proxy);
    return proxy.url.replace(/\/$/, "");
  };
  return {
    postgres: await through(urls.postgres),
    redis: await through(urls.redis),
    amqp: await through(urls.amqp),
  };
}

async function disturbUnderLoad(target: Target, options: RandomRunOptions): Promise<boolean> {
  const { stack } = target;
  const { say, ratePerSecond } = options;
  const users = await Promise.all(Array.from({ length: USERS }, () => stack.addUser()));
  const runs = createRuns(stack);
  const random = seededRandom(options.seed + 1);
  const trouble = await startTrouble({ stack, random, say });
  let before = new Map<string, number>();
  let watch: Watch | undefined;
  try {
    const wish = {
      ...trouble.wish,
      ratePerSecond,
      usersOf: () => Promise.resolve(trouble.usersOf(users)),
      readEvery: READ_EVERY,
      quietLimitMs: QUIET_LIMIT_MS,
    };
    const report = await runs.underLoad(wish, async (load) => {
      say(`a load of ${ratePerSecond} requests a second, seed ${options.seed}`);
      await Bun.sleep(WARM_UP_MS);
      before = readMemory(stack.components());
      watch = watchComponents(stack.components());
      const stopStatus = showStatus(load, watch, say);
      try {
        await disturb(target, performance.now() + options.minutes * 60_000, say);
      } finally {
        stopStatus();
        await trouble.stop();
        for (const proxy of target.proxies) proxy.heal();
        await target.servers.start();
      }
    });
    // Not earlier: an armed process may reach its point when the load has ended.
    await watch?.stop();
    return conclude(stack, report, before, say);
  } finally {
    await trouble.stop();
    await watch?.stop();
    runs.close();
  }
}

async function disturb(
  target: Target,
  untilMs: number,
  say: (line: string) => void,
): Promise<void> {
  const { random } = target;
  while (performance.now() < untilMs) {
    await Bun.sleep(random() * PAUSE_MS_MAX);
    const { name, run } = drawDisturbance(random);
    const done = await run(target).catch((error: unknown) => `not done: ${String(error)}`);
    say(`  ${name}: ${done}`);
  }
}

function showStatus(load: Load, watch: Watch, say: (line: string) => void): () => void {
  const timer = setInterval(() => {
    const { attempted, acknowledged, refused, unknown, skipped, open } = load.counts();
    say(
      `attempted ${attempted}, acknowledged ${acknowledged}, given up ${refused}, unknown ${unknown}, ` +
        `skipped ${skipped}, open ${open}, restarts ${watch.restarts()}`,
    );
  }, STATUS_MS);
  return () => clearInterval(timer);
}

function conclude(
  stack: TestStack,
  report: CheckReport,
  before: ReadonlyMap<string, number>,
  say: (line: string) => void,
): boolean {
  const after = readMemory(stack.components());
  const readings = [...after].map(([name, afterBytes]) => ({
    name,
    beforeBytes: before.get(name) ?? 0,
    afterBytes,
  }));
  const grown = grownProcesses(readings);
  say(formatReport(report));
  say(`memory: ${formatMemory(readings)}`);
  if (grown.length > 0) say(`FAILED: memory of ${grown.join(", ")} did not come back`);
  const violations = violationsOf(report);
  if (violations.length > 0) say(stack.logTail());
  return violations.length === 0 && grown.length === 0;
}
