import type { Config } from "../../core/config/schema.ts";
import { pause } from "../../runtime/schedule.ts";
import type { KeeperPorts } from "../ports.ts";
import { createAuditDuty } from "./audit-duty.ts";
import type { Duty } from "./duty.ts";
import { createDispatcher, type DispatchConfig } from "./dispatch/dispatcher.ts";
import { createIntake } from "./dispatch/intake.ts";
import { createExpire } from "./expire.ts";
import { createGauges } from "./gauges.ts";
import { createLimits } from "./limits.ts";
import { createOrphans } from "./orphans.ts";
import { createRelay } from "./relay.ts";
import { createRepublish } from "./republish.ts";
import { createRetention } from "./retention.ts";

export type KeeperConfig = DispatchConfig & Pick<Config, "keeper">;

export interface Keeper {
  start: () => void;
  /** Stops the duties between two steps and gives the lock to another collector. */
  stop: () => Promise<void>;
}

const HOUR_MS = 3_600_000;
/** An hourly duty that failed must not wait for an hour. */
const RETRY_MS = 5_000;

/** `config` is called at each use by what follows a reload: models, tiers, the pace of the dispatcher. */
export function createKeeper(ports: KeeperPorts, config: () => KeeperConfig): Keeper {
  const { keeper: options } = config();
  return runDuties(ports, keeperDuties(ports, options, config), options.interval_ms);
}

function keeperDuties(
  ports: KeeperPorts,
  options: KeeperConfig["keeper"],
  config: () => KeeperConfig,
): Duty[] {
  const everyMs = options.interval_ms;
  return [
    createDispatcher(ports, config),
    createIntake(ports, { everyMs: config().dispatch.interval_ms }),
    createRelay(ports, { everyMs, silentMs: options.gateway_silent_ms }),
    createRepublish(ports, { everyMs, republishAfterMs: options.republish_after_ms }),
    // A round walks through all keys of Redis: often enough that a hold is freed soon after its time, and no
    // more.
    createOrphans(ports, {
      everyMs: Math.max(everyMs, options.orphan_after_ms / 3),
      orphanAfterMs: options.orphan_after_ms,
    }),
    createExpire(ports, { everyMs }),
    createRetention(ports, { everyMs: HOUR_MS, retentionDays: options.retention_days }),
    createLimits(ports, { everyMs: Math.max(everyMs, 5_000) }),
    createGauges(ports, { everyMs: Math.max(everyMs, 5_000) }),
    createAuditDuty(ports, { everyMs: options.audit_interval_ms }),
  ];
}

/**
 * Performs the duties while this process has the lock, each at its own pace, so that a long one delays no
 * other. A duty that fails is tried again at its next turn. When the lock is lost the duties stop; in the
 * moment between, two keepers may be at work, which is why every duty may be repeated without harm.
 */
export function runDuties(
  ports: Pick<KeeperPorts, "lock" | "schedule" | "log" | "metrics">,
  duties: readonly Duty[],
  intervalMs: number,
): Keeper {
  const stopping = new AbortController();
  let ended: Promise<void> | undefined;

  async function campaign(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      const isOurs = await acquire();
      // It may have been stopped meanwhile.
      if (isOurs && !signal.aborted) await serve();
      await pause(ports.schedule, intervalMs, signal);
    }
    await release();
  }

  async function release(): Promise<void> {
    try {
      await ports.lock.release();
    } catch (error) {
      // The lock runs out by itself.
      ports.log.debug({ err: error }, "cannot give up being the keeper");
    }
  }

  async function acquire(): Promise<boolean> {
    try {
      return await ports.lock.tryAcquire();
    } catch (error) {
      ports.log.debug({ err: error }, "cannot ask to be the keeper");
      return false;
    }
  }

  /** Is the keeper as long as the lock is ours. */
  async function serve(): Promise<void> {
    const serving = new AbortController();
    const end = (): void => serving.abort();
    stopping.signal.addEventListener("abort", end);
    ports.metrics.keeper_active.set(1);
    ports.log.info({}, "this collector is the keeper");
    const work = Promise.all(duties.map((duty) => repeat(duty, serving.signal)));
    while (ports.lock.isOurs() && !serving.signal.aborted) {
      await pause(ports.schedule, intervalMs, serving.signal);
      // A keeper that says nothing loses the lock. One reply that does not come is not yet the loss of it.
      if (!serving.signal.aborted) await acquire();
    }
    serving.abort();
    await work;
    stopping.signal.removeEventListener("abort", end);
    for (const duty of duties) duty.end?.();
    ports.metrics.keeper_active.set(0);
    ports.log.info({}, "this collector is no longer the keeper");
  }

  async function repeat(duty: Duty, signal: AbortSignal): Promise<void> {
    let isFailing = false;
    while (!signal.aborted) {
      try {
        await duty.run(signal);
        if (isFailing) ports.log.info({ duty: duty.name }, "a duty succeeds again");
        isFailing = false;
      } catch (error) {
        // A server that stays away would repeat this every second.
        if (!isFailing) ports.log.warn({ duty: duty.name, err: error }, "a duty failed");
        isFailing = true;
      }
      const restMs = isFailing ? Math.min(duty.everyMs, duty.retryMs ?? RETRY_MS) : duty.everyMs;
      await pause(ports.schedule, restMs, signal);
    }
  }

  return {
    start: () => {
      ended ??= campaign();
    },
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}
