import { join } from "node:path";

import { findFreePorts } from "../../local/processes/ports.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Call } from "../load/calls.ts";
import type { BenchContext } from "../scenarios/scenario.ts";

/** Something that is measured beside Tollgate by the same calls. */
export interface Peer {
  /** As in the figures: `Bento, tuned`. */
  title: string;
  command: readonly string[];
  env: Record<string, string>;
  readyPath: string;
  /** What it is asked, and the status of a good answer. Default: `POST /generate` of `peerUsers`, 202. */
  calls?: readonly Call[];
  expectStatus?: number;
  /** Looks, once it is warm, whether it does what it is said to do; answers what is wrong. */
  probe?: (url: string) => Promise<string[]>;
}

export interface RunningPeer extends Peer {
  url: string;
  pid: number;
  /** The end of what it wrote to its standard error. */
  logTail: () => Promise<string>;
  stop: () => Promise<void>;
}

const READY_MS = 30_000;
const USERS = 2_000;
const LOG_TAIL_CHARS = 2_000;

/** Keys as long as Tollgate's. A peer that does not authenticate takes them for the users' ids. */
export const peerUsers = (): { apiKey: string }[] =>
  Array.from({ length: USERS }, (_, index) => ({
    apiKey: `tg_${String(index).padStart(43, "0")}`,
  }));

/** Runs a peer as a process of its own; it answers when this returns. `build` gets the port that it is to listen on. */
export async function startPeer(
  context: BenchContext,
  build: (port: number) => Promise<Peer> | Peer,
): Promise<RunningPeer> {
  const [port = 0] = await findFreePorts(1);
  const peer = await build(port);
  const url = `http://127.0.0.1:${port}`;
  const logPath = join(context.folder, `peer-${port}.log`);
  const child = Bun.spawn([...peer.command], {
    env: { PATH: process.env["PATH"], ...peer.env },
    stdin: "ignore",
    stdout: Bun.file(logPath),
    stderr: Bun.file(`${logPath}.err`),
  });
  const running: RunningPeer = {
    ...peer,
    url,
    pid: child.pid,
    logTail: async () => (await Bun.file(`${logPath}.err`).text()).slice(-LOG_TAIL_CHARS),
    stop: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
  try {
    await untilTrue(`${peer.title} is ready`, READY_MS, async () => {
      if (child.exitCode !== null) return true;
      const reply = await fetch(`${url}${peer.readyPath}`, { signal: AbortSignal.timeout(1_000) });
      await reply.body?.cancel();
      return reply.status < 500;
    });
    if (child.exitCode !== null)
      throw new Error(`${peer.title} ended at once: ${await running.logTail()}`);
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}
