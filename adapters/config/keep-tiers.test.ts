import { expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";

import { type Config, type TierConfig, TierSchema } from "../../core/config/schema.ts";
import { keepTiers } from "./keep-tiers.ts";
import type { LiveConfig } from "./load.ts";

const tierOf = (tokens: number): TierConfig => Value.Parse(TierSchema, { daily: { tokens } });

/** A configuration of nothing but tiers, and how to change it. */
function liveOf(first: Config["tiers"]) {
  let config = { tiers: first } as Config;
  const listeners: ((next: Config) => void)[] = [];
  const live: LiveConfig = {
    current: () => config,
    reload: async () => {},
    onReload: (listener) => void listeners.push(listener),
    stop: () => {},
  };
  const change = (tiers: Config["tiers"]): void => {
    config = { tiers } as Config;
    for (const listen of listeners) listen(config);
  };
  return { live, change };
}

test("a tier that is removed stays as it was, one that is changed or added is as the file says", () => {
  const { live, change } = liveOf({ gold: tierOf(9), free: tierOf(1) });
  const kept = keepTiers(live);
  const told: Config["tiers"][] = [];
  kept.onReload(({ tiers }) => told.push(tiers));

  change({ free: tierOf(2), silver: tierOf(5) });

  const wanted = { gold: tierOf(9), free: tierOf(2), silver: tierOf(5) };
  expect(kept.current().tiers).toEqual(wanted);
  expect(told).toEqual([wanted]);
});

test("a tier that was removed before this process started is as it is remembered", () => {
  const { live, change } = liveOf({ free: tierOf(1) });
  const kept = keepTiers(live);

  kept.remember({ gold: tierOf(9), free: tierOf(7) });
  change({ free: tierOf(2) });

  expect(kept.current().tiers).toEqual({ gold: tierOf(9), free: tierOf(2) });
});

test("a tier that comes back is as the file says again", () => {
  const { live, change } = liveOf({ gold: tierOf(9) });
  const kept = keepTiers(live);

  change({});
  change({ gold: tierOf(3) });

  expect(kept.current().tiers).toEqual({ gold: tierOf(3) });
});
