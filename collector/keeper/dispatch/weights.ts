import type { DispatchPorts, Process } from "../../ports.ts";
import type { Config } from "../../../core/config/schema.ts";

export type WeightConfig = Pick<Config, "tiers" | "default_tier">;

/** The weights of users by their tiers. */
export interface Weights {
  /** In order. */
  of: (userIds: readonly string[]) => Promise<number[]>;
}

/** A changed tier counts after this at the latest. */
const KNOWN_MS = 60_000;
const KNOWN_MAX = 200_000;

export function createWeights(
  ports: Pick<DispatchPorts, "tiersOf"> & Pick<Process, "now">,
  config: () => WeightConfig,
): Weights {
  const known = new Map<string, { tier: string | undefined; atMs: number }>();

  function weightOf(tier: string | undefined): number {
    const { tiers, default_tier: fallback } = config();
    return (tiers[tier ?? fallback] ?? tiers[fallback])?.weight ?? 1;
  }

  return {
    of: async (userIds) => {
      const nowMs = ports.now();
      const isKnown = (userId: string): boolean =>
        nowMs - (known.get(userId)?.atMs ?? Number.NEGATIVE_INFINITY) < KNOWN_MS;
      const asked = [...new Set(userIds)].filter((userId) => !isKnown(userId));
      if (known.size + asked.length > KNOWN_MAX) known.clear();
      const tiers = asked.length === 0 ? [] : await ports.tiersOf(asked);
      asked.forEach((userId, index) => known.set(userId, { tier: tiers[index], atMs: nowMs }));
      return userIds.map((userId) => weightOf(known.get(userId)?.tier));
    },
  };
}
