import { LOCAL_POSTGRES } from "../../../local/servers/postgres.ts";
import type { LocalSettings } from "../../../local/servers/local-server.ts";
import { findUnprivileged } from "../../../local/servers/unprivileged.ts";
import { eventually } from "../../../local/stack/eventually.ts";
import { requireBinaries } from "./server-home.ts";
import { createServerProcess, type ServerProcess } from "./server-process.ts";

/** A PostgreSQL server of its own. */
export interface PostgresNode {
  url: string;
  process: ServerProcess;
  /** Starts it; it takes connections when this returns. */
  start: () => Promise<void>;
}

const READY_LIMIT_MS = 60_000;
const PING_LIMIT_MS = 2_000;

/**
 * Makes the data folder unless there is one. `enter`: a command that becomes the server's, to run it
 * elsewhere.
 */
export async function preparePostgres(
  settings: LocalSettings,
  { enter = [] }: { enter?: readonly string[] } = {},
): Promise<PostgresNode> {
  const { folder } = settings;
  const [launch] = await LOCAL_POSTGRES.prepare(settings, requireBinaries("postgres"));
  if (launch === undefined) throw new Error("PostgreSQL is a process");
  const { prefix } = findUnprivileged(folder);
  const command = launch.command.slice(prefix.length);
  const process = createServerProcess(
    { ...launch, command },
    { folder, prefix: [...enter, ...prefix] },
  );
  const url = LOCAL_POSTGRES.url(settings);
  return {
    url,
    process,
    start: async () => {
      process.start();
      await eventually("PostgreSQL answers", READY_LIMIT_MS, async () => {
        if (!process.isRunning()) return "ended";
        await LOCAL_POSTGRES.ping(url, PING_LIMIT_MS);
        return "ready";
      });
      if (!process.isRunning())
        throw new Error(`PostgreSQL ended:\n${process.log().slice(-2_000)}`);
    },
  };
}
