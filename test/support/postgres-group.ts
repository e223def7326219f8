import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import postgres from "postgres";

import { lastLines } from "../../local/processes/log-tail.ts";
import { newPassword } from "../../local/servers/password.ts";
import { own } from "../../local/servers/postgres.ts";
import { findUnprivileged } from "../../local/servers/unprivileged.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { bringPackage } from "../faults/bring-package.ts";
import { makeServerHome, requireBinaries } from "../faults/servers/server-home.ts";
import { canMakeMachines, type Machine, startMachines } from "./machine-group.ts";
import { etcdLaunch, patroniSettings, PORTS } from "./patroni.ts";

/**
 * Three machines with PostgreSQL, Patroni and etcd each: a primary and two standbys. A commit waits until the
 * standby that may be promoted has it.
 */
export interface PostgresGroup {
  /** One URL with all three. */
  url: string;
  /** Ends all processes of the primary's machine at once. Returns when another one has taken over. */
  killPrimary: () => Promise<void>;
  /** Stops them all where they are (SIGSTOP), the same way. Returns how to let them go on. */
  freezePrimary: () => Promise<() => Promise<void>>;
  /**
   * Takes the primary, which lives, off the network of its peers, and of its clients unless they are spared.
   * `meanwhile` runs as soon as it is off. Returns when another one has taken over: how to end that.
   */
  cutPrimaryOff: (
    spared: "nobody" | "the test",
    meanwhile?: (primaryUrl: string) => void,
  ) => Promise<() => Promise<void>>;
  /** Starts again what has been killed, and waits until it takes part. */
  revive: () => Promise<void>;
  remove: () => Promise<void>;
}

const NAMES = ["postgres-1", "postgres-2", "postgres-3"] as const;
const USER = "tollgate";
const ANSWER_LIMIT_MS = 2_000;
/** Each look makes Patroni ask etcd. */
const LOOK_MS = 200;
/** A former primary follows for a moment before it finds that it has to be rewound. */
const SETTLED_MS = 5_000;
const CONNECT_LIMIT_SECONDS = 5;
const START_LIMIT_MS = 120_000;
const FAILOVER_LIMIT_MS = 90_000;

const ClusterSchema = t.Object({
  members: t.Array(t.Object({ name: t.String(), role: t.String(), state: t.String() })),
});
type Member = (typeof ClusterSchema)["static"]["members"][number];

/** Whether a group can run on this machine; installs what it needs, and says what is left out. */
export async function canGroupPostgres(): Promise<boolean> {
  const leftOut = "groups of PostgreSQL";
  if (!(await canMakeMachines(leftOut))) return false;
  for (const [name, program] of [
    ["etcd-server", "etcd"],
    ["patroni", "patroni"],
  ] as const)
    if ((await bringPackage(name, () => Bun.which(program) ?? undefined, leftOut)) === undefined)
      return false;
  return true;
}

export async function startPostgresGroup(): Promise<PostgresGroup> {
  const home = makeServerHome();
  const group = await startMachines(home.folder, NAMES);
  const { machines } = group;
  const passwords = { superuser: newPassword(), replication: newPassword() };
  const hosts = machines.map(({ host }) => host);
  const away = new Set<Machine>();

  async function remove(): Promise<void> {
    await group.remove();
    home.remove();
  }

  function launch(machine: Machine): void {
    const folder = join(home.folder, machine.name, "servers");
    mkdirSync(folder, { recursive: true });
    const runAs = findUnprivileged(folder);
    const settings = patroniSettings(machine, {
      folder,
      hosts,
      user: USER,
      passwords,
      programs: dirname(requireBinaries("postgres").postgres),
    });
    const path = join(folder, "patroni.yml");
    // JSON is YAML.
    writeFileSync(path, JSON.stringify(settings, null, 2), { mode: 0o600 });
    own(folder, runAs);
    const env = { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC", HOME: folder };
    machine.launch(etcdLaunch(machine, machines, join(folder, "etcd")), runAs.prefix);
    machine.launch({ name: "patroni", command: ["patroni", path], env }, runAs.prefix);
  }

  /** As the first machine says that answers. */
  async function members(): Promise<Member[]> {
    await Bun.sleep(LOOK_MS);
    const asked = machines.filter((machine) => machine.isOn() && !away.has(machine));
    return Promise.any(
      asked.map(async ({ host }) => {
        const reply = await fetch(`http://${host}:${PORTS.patroni}/cluster`, {
          signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
        });
        return Value.Decode(ClusterSchema, await reply.json()).members;
      }),
    );
  }

  const leaderOf = (found: readonly Member[]): Machine | undefined => {
    const leader = found.find(({ role, state }) => role === "leader" && state === "running");
    return machines.find(({ name }) => name === leader?.name);
  };

  async function currentPrimary(): Promise<Machine> {
    const primary = leaderOf(await members());
    if (primary === undefined) throw new Error("nobody is the primary");
    return primary;
  }

  const urlOf = (where: readonly string[]): string =>
    `postgres://${USER}:${passwords.superuser}@` +
    `${where.map((host) => `${host}:${PORTS.postgres}`).join(",")}/postgres`;

  /** @throws with what was seen last, and what Patroni has to say */
  async function awaitGroup(
    what: string,
    limitMs: number,
    holds: (found: readonly Member[]) => boolean | Promise<boolean>,
  ): Promise<void> {
    let seen: readonly Member[] = [];
    await untilTrue(what, limitMs, async () => {
      seen = await members();
      return holds(seen);
    }).catch((error: unknown) => {
      const logs = NAMES.flatMap((name) => lastLines(join(home.folder, name, "patroni.log"), 40));
      throw new Error(`${JSON.stringify(seen)}\n${logs.join("\n")}`, { cause: error });
    });
  }

  async function isWhole(found: readonly Member[]): Promise<boolean> {
    const primary = leaderOf(found);
    const hasSuccessor = found.some(({ role }) => role === "sync_standby");
    if (primary === undefined || !hasSuccessor) return false;
    return (await countStandbys(urlOf([primary.host]))) === NAMES.length - 1;
  }

  async function untilWhole(): Promise<void> {
    let sinceMs: number | undefined;
    await awaitGroup("all three take part", START_LIMIT_MS, async (found) => {
      const isNow = await isWhole(found).catch(() => false);
      sinceMs = isNow ? (sinceMs ?? performance.now()) : undefined;
      return sinceMs !== undefined && performance.now() - sinceMs > SETTLED_MS;
    });
  }

  const untilTakenOver = (from: Machine): Promise<void> =>
    awaitGroup("another one is the primary", FAILOVER_LIMIT_MS, (found) => {
      const leader = leaderOf(found);
      return leader !== undefined && leader !== from;
    });

  /** Does something to the primary. Returns when another one has taken over: how to end that. */
  async function without(
    act: (primary: Machine) => void,
    undo: (primary: Machine) => void,
  ): Promise<() => Promise<void>> {
    const primary = await currentPrimary();
    away.add(primary);
    act(primary);
    await untilTakenOver(primary);
    return async () => {
      undo(primary);
      away.delete(primary);
      await untilWhole();
    };
  }

  try {
    for (const machine of machines) launch(machine);
    await untilWhole();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    url: `${urlOf(hosts)}?target_session_attrs=read-write`,
    killPrimary: async () => {
      const primary = await currentPrimary();
      await primary.powerOff();
      await untilTakenOver(primary);
    },
    freezePrimary: () =>
      without(
        (primary) => primary.freeze(),
        (primary) => primary.thaw(),
      ),
    cutPrimaryOff: (spared, meanwhile) =>
      without(
        (primary) => {
          primary.cutOff(spared);
          meanwhile?.(urlOf([primary.host]));
        },
        (primary) => primary.reconnect(),
      ),
    revive: async () => {
      for (const machine of machines) {
        if (machine.isOn()) continue;
        await machine.powerOn();
        launch(machine);
      }
      await untilWhole();
    },
    remove,
  };
}

/** Those that follow a primary, by what it says itself: what Patroni last heard may be old. */
function countStandbys(url: string): Promise<number> {
  return withClient(url, async (sql) => {
    const rows = await sql`select from pg_stat_replication where state = 'streaming'`;
    return rows.length;
  });
}

/**
 * Tries to commit on a server, past everything else. Returns what came of it; `committed` is what a primary
 * may say only if its standby has it.
 */
export function tryToCommit(url: string): Promise<string> {
  return withClient(url, async (sql) => {
    try {
      await sql`create table written_alone ()`;
      return "committed";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  });
}

async function withClient<Answer>(
  url: string,
  use: (sql: postgres.Sql) => Promise<Answer>,
): Promise<Answer> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: CONNECT_LIMIT_SECONDS });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 0 });
  }
}
