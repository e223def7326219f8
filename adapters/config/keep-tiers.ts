import type { Config, TierConfig } from "../../core/config/schema.ts";
import type { LiveConfig } from "./load.ts";

/** A configuration that forgets no tier. */
export interface KeptTiers extends LiveConfig {
  /** Adds tiers that an earlier configuration had; one that this process has seen itself stays as it was. */
  remember: (tiers: Readonly<Record<string, TierConfig>>) => void;
}

/**
 * The configuration with the tiers that it no longer has as they were last: their users keep what they had
 * until an operator gives them another tier.
 */
export function keepTiers(live: LiveConfig): KeptTiers {
  let kept: Readonly<Record<string, TierConfig>> = live.current().tiers;
  let merged = merge(live.current());

  function merge(config: Config): { from: Config; config: Config } {
    return { from: config, config: { ...config, tiers: { ...kept, ...config.tiers } } };
  }

  function current(): Config {
    const config = live.current();
    if (merged.from !== config) {
      kept = { ...kept, ...config.tiers };
      merged = merge(config);
    }
    return merged.config;
  }

  // Also of a file that is replaced again before anybody asks.
  live.onReload(current);

  return {
    current,
    reload: live.reload,
    stop: live.stop,
    onReload: (listener) => live.onReload(() => listener(current())),
    remember: (tiers) => {
      kept = { ...tiers, ...kept };
      merged = merge(merged.from);
    },
  };
}
