/** Each of them is there once: while one of them is away, no other one is killed. */
export const SERVERS = ["postgres", "redis", "rabbitmq"] as const;

/** Names of pods that are ready, by their role or server. */
export type Victims = ReadonlyMap<string, readonly string[]>;

export interface Victim {
  of: string;
  pod: string;
}

/** Whether every server has a ready pod. */
export const isWhole = (victims: Victims): boolean =>
  SERVERS.every((name) => (victims.get(name)?.length ?? 0) > 0);

/**
 * Draws a role or server that has a ready pod, and one of its pods; of those that may be drawn, one whose
 * turn was least often. `random` is in [0, 1).
 */
export function drawVictim(
  victims: Victims,
  killed: Readonly<Record<string, number>>,
  random: () => number,
): Victim | undefined {
  const mayTakeServer = isWhole(victims);
  const possible = [...victims.keys()].filter((name) => {
    const isServer = (SERVERS as readonly string[]).includes(name);
    return (mayTakeServer || !isServer) && (victims.get(name)?.length ?? 0) > 0;
  });
  const turns = (name: string): number => killed[name] ?? 0;
  const fewest = Math.min(...possible.map(turns));
  const names = possible.filter((name) => turns(name) === fewest);
  const of = names[Math.floor(random() * names.length)];
  const pods = victims.get(of ?? "") ?? [];
  const pod = pods[Math.floor(random() * pods.length)];
  return of === undefined || pod === undefined ? undefined : { of, pod };
}
