import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

export type Settings = { [key: string]: Setting };
type Setting = Settings | string | number | boolean | null | readonly (string | number)[];

/**
 * Times short enough that a test need not wait for them, in the same order to each other as the defaults: what must be above another
 * stays above it.
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

const QUICK_MODEL: Settings = { timeout_ms: 2_000, breaker_open_ms: 300, reply_bytes_max: 262_144 };

const isTree = (value: Setting | undefined): value is Settings =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `changes` over `base`, tree by tree; a list or a value replaces what is there. */
export function mergeSettings(base: Settings, changes: Settings): Settings {
  const merged: Settings = { ...base };
  for (const [key, change] of Object.entries(changes)) {
    const old = merged[key];
    merged[key] = isTree(old) && isTree(change) ? mergeSettings(old, change) : change;
  }
  return merged;
}

/** The project's own configuration with quick times, its models at the given simulator, and `changes` on top. */
export async function testSettings(simulatorUrl: string, changes: Settings): Promise<Settings> {
  const file = Bun.YAML.parse(await Bun.file(join(PROJECT_ROOT, "tollgate.yaml")).text());
  const settings = mergeSettings(file as Settings, QUICK);
  const models = Object.entries(settings["models"] as Record<string, { url: string }>).map(
    ([name, model]) => {
      const { pathname } = new URL(model.url);
      return [name, { ...QUICK_MODEL, ...model, url: `${simulatorUrl}${pathname}` }] as const;
    },
  );
  return mergeSettings({ ...settings, models: Object.fromEntries(models) }, changes);
}
