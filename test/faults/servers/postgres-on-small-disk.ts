import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { findFreePorts } from "../../../local/processes/ports.ts";
import { newPassword } from "../../../local/servers/password.ts";
import { type PostgresNode, preparePostgres } from "./postgres-node.ts";
import { makeServerHome } from "./server-home.ts";
import { makeSmallDisk, type SmallDisk } from "./small-disk.ts";

/** PostgreSQL whose tables and log share a disk that a test fills. */
export interface PostgresOnSmallDisk extends PostgresNode {
  disk: SmallDisk;
  remove: () => Promise<void>;
}

/** Four times what an empty stack takes. */
const DISK_MEGABYTES = 384;

export async function startPostgresOnSmallDisk(): Promise<PostgresOnSmallDisk> {
  const home = makeServerHome();
  const [port = 0] = await findFreePorts(1);
  const folder = join(home.folder, "postgres");
  mkdirSync(folder);
  const settings = { folder, ports: { postgres: port }, password: newPassword() };
  // Made on the disk of the machine, and copied from there.
  await preparePostgres(settings);
  const disk = await makeSmallDisk(join(folder, "data"), DISK_MEGABYTES);
  const node = await preparePostgres(settings, { enter: disk.enter });
  const remove = async (): Promise<void> => {
    await node.process.kill();
    await disk.remove();
    home.remove();
  };
  try {
    await node.start();
    return { ...node, disk, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
