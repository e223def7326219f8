import {
  mergeSettings,
  readShippedSettings,
  type Settings,
} from "../../../local/stack/settings.ts";

/**
 * Times short enough that a test need not wait for them, in the same order to each other as the defaults:
 * what must be above another stays above it.
 */
const QUICK: Settings = {
  postgres: { statement_timeout_ms: 1_500, deadline_ms: 2_500 },
  redis: { command_timeout_ms: 1_000 },
  amqp: { heartbeat_seconds: 2, confirm_timeout_ms: 2_000 },
  gateway: { accept_timeout_ms: 2_500, outbox_note_ms: 200, wait_recheck_ms: 1_000 },
  worker: { grace_ms: 6_000, park_ms: 2_000 },
  collector: { grace_ms: 6_000 },
  keeper: {
    interval_ms: 250,
    gateway_silent_ms: 2_500,
    orphan_after_ms: 3_000,
    republish_after_ms: 3_000,
    audit_interval_ms: 2_000,
  },
  retry: { attempts_max: 4, delays_ms: [200, 400, 800] },
  // Tests that are about limits give their users limits of their own.
  default_tier: "unlimited",
};

const QUICK_MODEL: Settings = {
  timeout_ms: 2_000,
  breaker_open_ms: 300,
  breaker_open_max_ms: 1_000,
  reply_bytes_max: 262_144,
};

/**
 * Quick times for the configuration that the repository ships, for each of its models and of `moreModels`,
 * and `changes` on top.
 */
export async function quickSettings(
  changes: Settings,
  moreModels: readonly string[] = [],
): Promise<Settings> {
  const { models } = await readShippedSettings();
  const names = [...Object.keys(models), ...moreModels];
  const quickModels = Object.fromEntries(names.map((name) => [name, QUICK_MODEL]));
  return mergeSettings({ ...QUICK, models: quickModels }, changes);
}
