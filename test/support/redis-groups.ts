import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { newPassword } from "../../local/servers/password.ts";
import type { Settings } from "../../local/stack/settings.ts";
import { type Authority, makeAuthority } from "../../local/tls/authority.ts";
import type { ServerHome } from "../faults/servers/server-home.ts";
import { clientFiles, type GroupSettings, type RedisNode, untilAnswering } from "./redis-node.ts";

/** What a group and its clients need. */
export interface GroupWish {
  /** Servers and clients prove by certificates of one authority who they are. */
  isEncrypted?: boolean;
}

export interface RedisGroup {
  /** The section `redis` of a configuration that finds it. */
  settings: Settings & { url: string };
  /** Starts again what has been killed, and waits until it takes part. */
  revive: () => Promise<void>;
  remove: () => Promise<void>;
}

/** Silent for so long is dead; shorter than the defaults of 30 and 15 s, as operators set it who care. */
export const DOWN_AFTER_MS = 2_000;
export const FAILOVER_LIMIT_MS = 40_000;
export const JOIN_LIMIT_MS = 30_000;

export async function prepareGroup(home: ServerHome, isEncrypted: boolean): Promise<GroupSettings> {
  const folder = home.folder;
  mkdirSync(join(folder, "tls"));
  const authority: Authority | undefined = isEncrypted
    ? await makeAuthority(join(folder, "tls"))
    : undefined;
  await authority?.issue({ name: "client" });
  return { folder, password: newPassword(), authority };
}

/** The section `redis` but for the addresses; any address in the URL does, since it does not count. */
export function sectionOf({ folder, password, authority }: GroupSettings) {
  const scheme = authority === undefined ? "redis" : "rediss";
  return {
    url: `${scheme}://:${password}@any`,
    ...(authority && { tls: clientFiles(folder, authority) }),
  };
}

export async function revive(nodes: readonly RedisNode[]): Promise<void> {
  for (const node of nodes) {
    if (node.process.isRunning()) continue;
    node.process.start();
    await untilAnswering(node);
  }
}
