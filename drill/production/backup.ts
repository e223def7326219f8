import { until } from "../until.ts";
import type { Kubectl } from "./kubectl.ts";
import { NAMESPACE } from "./parts.ts";
import { queryPostgres } from "./servers.ts";
import type { Reader } from "./reader.ts";
import { BACKED_UP } from "./steps.ts";

const BACKUP_LIMIT_MS = 600_000;
const ARCHIVE_LIMIT_MS = 420_000;

interface Backup {
  metadata: { name: string };
  spec: { cluster: { name: string } };
  status?: { phase?: string; error?: string };
}

/** The backups that there are, of one cluster. */
async function backupsOf(kubectl: Kubectl, cluster: string): Promise<Backup[]> {
  const kind = "backups.postgresql.cnpg.io";
  const { items } = await kubectl.get<{ items: Backup[] }>(["-n", NAMESPACE, kind]);
  return items.filter(({ spec }) => spec.cluster.name === cluster);
}

/** Makes one more backup, as the documentation says, and waits for it. */
export async function backUp(
  kubectl: Kubectl,
  follow: Reader,
  cluster: string,
  signal: AbortSignal,
): Promise<void> {
  const known = new Set((await backupsOf(kubectl, cluster)).map(({ metadata }) => metadata.name));
  const [backedUp, looked] = BACKED_UP;
  await follow("backup", {
    [backedUp]: `name: ${cluster}\n`,
    [looked]: `get cluster ${cluster} `,
  });
  await untilBackedUp(kubectl, cluster, known, signal);
}

/** Waits for a backup that is not among the known ones. */
export async function untilBackedUp(
  kubectl: Kubectl,
  cluster: string,
  known: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const made = async (): Promise<Backup | undefined> =>
    (await backupsOf(kubectl, cluster)).find(
      ({ metadata, status }) =>
        !known.has(metadata.name) && ["completed", "failed"].includes(status?.phase ?? ""),
    );
  const { metadata, status } = await until(
    `a backup of ${cluster}`,
    { limitMs: BACKUP_LIMIT_MS, signal },
    made,
  );
  if (status?.phase !== "completed") throw new Error(`${metadata.name}: ${status?.error}`);
}

/** Begins a new segment of WAL, and waits until the one before is in the store. */
export async function untilArchived(kubectl: Kubectl, signal: AbortSignal): Promise<void> {
  const [switched] = await queryPostgres<{ wal: string }>(
    kubectl,
    "select pg_walfile_name(pg_switch_wal()) as wal",
  );
  await until("the archive", { limitMs: ARCHIVE_LIMIT_MS, signal }, async () => {
    const [archiver] = await queryPostgres<{ last: string | null }>(
      kubectl,
      "select last_archived_wal as last from pg_stat_archiver",
    );
    return (archiver?.last ?? "") >= (switched?.wal ?? "") ? true : undefined;
  });
}

const SECOND_MS = 1_000;

/** A whole second of PostgreSQL's clock that is over, and that nothing before this call came after. */
export async function passSecond(kubectl: Kubectl, signal: AbortSignal): Promise<string> {
  const now = async (): Promise<number> => {
    const query = "select extract(epoch from clock_timestamp()) * 1000 as ms";
    return (await queryPostgres<{ ms: number }>(kubectl, query))[0]?.ms ?? 0;
  };
  const momentMs = (Math.floor((await now()) / SECOND_MS) + 2) * SECOND_MS;
  await until("the next second", { limitMs: 30_000, signal }, async () =>
    (await now()) > momentMs + SECOND_MS ? true : undefined,
  );
  return new Date(momentMs).toISOString().replace(".000Z", "Z");
}
