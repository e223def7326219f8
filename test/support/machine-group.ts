import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Launch } from "../../local/servers/local-server.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { bringPackage, sayLeftOut } from "../faults/bring-package.ts";
import { createServerProcess, type ServerProcess } from "../faults/servers/server-process.ts";
import { descendantsOf } from "./private-servers.ts";

/**
 * A machine as its processes see it, made of Linux namespaces: with a name, a network, processes and `/proc`
 * of its own.
 */
export interface Machine {
  /** The others find it by this, too. */
  name: string;
  /** Its address, which reaches it from all the others and from the test. */
  host: string;
  isOn: () => boolean;
  /** A command that becomes another one there. */
  enter: () => readonly string[];
  /** Starts a server on it. `prefix`: as whom. */
  launch: (launch: Launch, prefix?: readonly string[]) => ServerProcess;
  /** SIGKILL to all its processes at once. */
  powerOff: () => Promise<void>;
  /** On again, without any process; its address and its files are the same. */
  powerOn: () => Promise<void>;
  /** SIGSTOP, and SIGCONT, to all its processes. */
  freeze: () => void;
  thaw: () => void;
  /** Loses every packet from and to it, but for those of the test itself if it is spared. */
  cutOff: (spared: "nobody" | "the test") => void;
  reconnect: () => void;
}

/** Machines on one switch, and the test on it as well. */
export interface MachineGroup {
  machines: readonly Machine[];
  remove: () => Promise<void>;
}

const START_LIMIT_MS = 10_000;
/** Of the networks kept for tests between devices (RFC 2544), so that it is nobody's on the internet. */
const NETWORKS = "198.18";
const FIRST_HOST = 11;
/** Of the switch. */
const TEST_PORT = "test";

/**
 * Whether this machine can make others; says why not. It needs root, for namespaces and the links between
 * them.
 */
export async function canMakeMachines(leftOut: string): Promise<boolean> {
  if (process.getuid?.() !== 0 || Bun.which("unshare") === null) {
    sayLeftOut(leftOut, "only root can make networks, with unshare");
    return false;
  }
  for (const [name, program] of [
    ["iproute2", "ip"],
    ["nftables", "nft"],
  ] as const)
    if ((await bringPackage(name, () => Bun.which(program) ?? undefined, leftOut)) === undefined)
      return false;
  const tried = Bun.spawnSync(["unshare", "--net", "ip", "link", "add", "br0", "type", "bridge"]);
  if (!tried.success) sayLeftOut(leftOut, `ip: ${tried.stderr.toString().trim()}`);
  return tried.success;
}

/** `folder`: for what they log. */
export async function startMachines(
  folder: string,
  names: readonly string[],
): Promise<MachineGroup> {
  const network = freeNetwork();
  const plug = `tollgate-${network.split(".")[2]}`;
  const hosts = names.map((_name, index) => `${network}.${FIRST_HOST + index}`);
  const hostsFile = join(folder, "hosts");
  const lines = names.map((name, index) => `${hosts[index]} ${name}\n`);
  writeFileSync(hostsFile, `127.0.0.1 localhost\n${lines.join("")}`);
  const hub = await startNamespace(folder, "switch", hostsFile);
  const machines: Machine[] = [];

  async function remove(): Promise<void> {
    await Promise.all(machines.map((machine) => machine.powerOff()));
    await hub.process.kill();
  }

  try {
    hub.run("ip", "link", "add", "switch", "type", "bridge");
    hub.run("ip", "link", "set", "switch", "up");
    // The kernel removes both ends of a link with either's namespace.
    run(["ip", "link", "add", plug, "type", "veth", "peer", "name", TEST_PORT, "netns", hub.pid]);
    hub.run("ip", "link", "set", TEST_PORT, "master", "switch", "up");
    run(["ip", "address", "add", `${network}.1/24`, "dev", plug]);
    run(["ip", "link", "set", plug, "up"]);
    for (const [index, host] of hosts.entries()) {
      const machine = createMachine(folder, { name: names[index] ?? "", host, hostsFile }, hub);
      machines.push(machine);
      await machine.powerOn();
    }
    return { machines, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The first three bytes of addresses that this machine does not use yet. */
function freeNetwork(): string {
  const used = Bun.spawnSync(["ip", "-4", "-oneline", "address"]).stdout.toString();
  const start = Math.floor(Math.random() * 256);
  for (let tries = 0; tries < 256; tries += 1) {
    const network = `${NETWORKS}.${(start + tries) % 256}`;
    if (!used.includes(` ${network}.`)) return network;
  }
  throw new Error(`every network of ${NETWORKS}.0.0/16 is in use here`);
}

interface Namespace {
  process: ServerProcess;
  /** Of its first process, as seen from outside. */
  pid: string;
  /** A command that becomes another one there. */
  enter: readonly string[];
  /** Runs a command on its network, but otherwise here. */
  run: (...command: string[]) => void;
}

const UNSHARE = "unshare --net --pid --uts --mount --fork --kill-child --mount-proc".split(" ");
/** Its first process does nothing but reap, and takes all others with it. */
const FIRST_PROCESS =
  'hostname "$1" && mount --bind "$2" /etc/hosts && ip link set lo up || exit; ' +
  "while sleep 60; do :; done";

async function startNamespace(folder: string, name: string, hostsFile: string): Promise<Namespace> {
  const command = [...UNSHARE, "sh", "-c", FIRST_PROCESS, "sh", name, hostsFile];
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  const env = { PATH: process.env["PATH"] };
  const holder = createServerProcess({ name: "machine", command, env }, { folder: own });
  holder.start();
  let pid: number | undefined;
  await untilTrue(`${name} has its namespaces`, START_LIMIT_MS, () => {
    if (!holder.isRunning()) throw new Error(`${name} ended:\n${holder.log().slice(-2_000)}`);
    pid = descendantsOf(holder.pid() ?? 0)[0];
    return pid !== undefined && isUp(pid);
  });
  const target = ["nsenter", `--target=${pid}`, "--net"];
  return {
    process: holder,
    pid: String(pid),
    enter: [...target, "--pid", "--uts", "--mount", "--"],
    run: (...inner) => run([...target, "--", ...inner]),
  };
}

/** Its loopback is up last. */
const isUp = (pid: number): boolean =>
  Bun.spawnSync(["nsenter", `--target=${pid}`, "--net", "ip", "link", "show", "up", "dev", "lo"])
    .stdout.toString()
    .includes("LOOPBACK,UP");

function createMachine(
  folder: string,
  { name, host, hostsFile }: { name: string; host: string; hostsFile: string },
  hub: Namespace,
): Machine {
  const processes: ServerProcess[] = [];
  let on: Namespace | undefined;
  let port = name;
  let turns = 0;
  const current = (): Namespace => {
    if (on === undefined) throw new Error(`${name} is off`);
    return on;
  };
  return {
    name,
    host,
    isOn: () => on !== undefined,
    enter: () => current().enter,
    launch: (launch, prefix = []) => {
      const own = { folder: join(folder, name), prefix: [...current().enter, ...prefix] };
      const started = createServerProcess(launch, own);
      started.start();
      processes.push(started);
      return started;
    },
    powerOff: async () => {
      await on?.process.kill();
      on = undefined;
      await Promise.all(processes.splice(0).map((one) => one.kill()));
    },
    powerOn: async () => {
      on = await startNamespace(folder, name, hostsFile);
      // Its own number: the link of a machine that was switched off goes a moment after it.
      port = `${name}-${(turns += 1)}`;
      hub.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", on.pid);
      hub.run("ip", "link", "set", port, "master", "switch", "up");
      on.run("ip", "address", "add", `${host}/24`, "dev", "eth0");
      // The others remember it.
      on.run("ip", "link", "set", "eth0", "address", `02:00:00:00:00:${host.split(".")[3]}`);
      on.run("ip", "link", "set", "eth0", "up");
    },
    freeze: () => {
      // A process may have been forked between the look and the signal.
      for (let times = 1; times <= 2; times += 1) signalAll(current().pid, "SIGSTOP");
    },
    thaw: () => {
      signalAll(current().pid, "SIGCONT");
      // nsenter stops with what it runs.
      for (const one of processes) one.signal("SIGCONT");
    },
    cutOff: (spared) => {
      const but = (side: string): string => (spared === "nobody" ? "" : `${side} != ${TEST_PORT}`);
      const rule = `add rule bridge ${name} forward`;
      hub.run(
        "nft",
        `add table bridge ${name} ; ` +
          `add chain bridge ${name} forward { type filter hook forward priority 0 ; } ; ` +
          `${rule} iifname ${port} ${but("oifname")} drop ; ` +
          `${rule} oifname ${port} ${but("iifname")} drop`,
      );
    },
    reconnect: () => hub.run("nft", `delete table bridge ${name}`),
  };
}

/** To all processes that have the same namespace. */
function signalAll(pid: string, signal: NodeJS.Signals): void {
  const namespace = namespaceOf(pid);
  for (const name of readdirSync("/proc"))
    if (/^\d+$/.test(name) && namespaceOf(name) === namespace) signalQuietly(Number(name), signal);
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    // It ended between the list and the look.
    return undefined;
  }
}

/** A process may end between the look and the signal. */
function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ESRCH") throw error;
  }
}

function run(command: readonly string[]): void {
  const { success, stderr } = Bun.spawnSync([...command]);
  if (!success) throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
}
