import { dirname, join } from "node:path";

import { findBinaries } from "../../local/servers/binaries.ts";

/** A private RabbitMQ as its command line tool needs to know it. */
export interface ControlledNode {
  /** `RABBITMQ_NODENAME`. */
  node: string;
  /** The folder that it was prepared in; the cookie lies there. */
  folder: string;
  epmdPort: number;
  /** A command that becomes another one on the node's machine; none: it is this one. */
  enter?: readonly string[];
}

const CONTROL_LIMIT_MS = 30_000;

/**
 * Runs rabbitmqctl against a node and returns what it wrote. Each call starts an Erlang of its own: about two
 * seconds.
 */
export async function runRabbitmqctl(
  { node, folder, epmdPort, enter = [] }: ControlledNode,
  args: readonly string[],
): Promise<string> {
  const searchPath = process.env["PATH"] ?? "";
  const server = findBinaries(searchPath).rabbitmq?.server;
  if (server === undefined) throw new Error("rabbitmq-server is not on this machine");
  const rabbitmqctl = join(dirname(server), "rabbitmqctl");
  const control = Bun.spawn([...enter, rabbitmqctl, "-n", node, ...args], {
    env: {
      PATH: searchPath,
      LANG: "C.UTF-8",
      HOME: join(folder, "home"),
      ERL_EPMD_PORT: String(epmdPort),
      RABBITMQ_CONF_ENV_FILE: join(folder, "no-rabbitmq-env.conf"),
    },
    stdout: "pipe",
    stderr: "pipe",
    timeout: CONTROL_LIMIT_MS,
  });
  const [written, errors] = await Promise.all([
    new Response(control.stdout).text(),
    new Response(control.stderr).text(),
  ]);
  if ((await control.exited) !== 0) throw new Error(`rabbitmqctl ${args.join(" ")}: ${errors}`);
  return written;
}
