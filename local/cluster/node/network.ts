import { runCommand } from "../run-command.ts";

/** Addresses of pods; each node gets a /24 of them. */
export const POD_RANGE = "10.244.0.0/16";
export const SERVICE_RANGE = "10.96.0.0/16";
/** The first of the services' addresses is the API server's. */
export const API_SERVICE = "10.96.0.1";
export const DNS_SERVICE = "10.96.0.10";
const GATEWAY = "172.30.0.1";
const BRIDGE = "nodes";

/** The address of a node; the first one is the control plane's too. */
export const addressOf = (index: number): string => `172.30.0.${2 + index}`;

/** Puts a command into the network of the machine that has this process. */
export const enterNetwork = (pid: number): readonly string[] => [
  "nsenter",
  "--target",
  String(pid),
  "--net",
  "--",
];

/**
 * A bridge in the first machine, to which the others are plugged. There is a default route because what
 * nodes themselves send to services is routed before its address is translated.
 */
export async function plugTogether(pids: readonly number[]): Promise<void> {
  const [first = 0, ...others] = pids;
  await ip(first, [
    "link set lo up",
    `link add ${BRIDGE} type bridge`,
    // A bridge has no carrier without a port, and the kernel may have no dummy device.
    `link add carrier0 type veth peer name carrier1`,
    `link set carrier0 master ${BRIDGE} up`,
    "link set carrier1 up",
    `address add ${addressOf(0)}/24 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
    `route add default via ${GATEWAY}`,
  ]);
  for (const [index, pid] of others.entries()) {
    const port = `port${index + 1}`;
    await ip(first, [
      `link add ${port} type veth peer name eth0 netns ${pid}`,
      `link set ${port} master ${BRIDGE} up`,
    ]);
    await ip(pid, [
      "link set lo up",
      `address add ${addressOf(index + 1)}/24 dev eth0`,
      "link set eth0 up",
      `route add default via ${GATEWAY}`,
    ]);
  }
}

/** Pods of each node are reached by its address. `podRanges` are in the order of the nodes. */
export async function routePods(
  pids: readonly number[],
  podRanges: readonly string[],
): Promise<void> {
  for (const [own, pid] of pids.entries()) {
    const routes = podRanges.flatMap((range, index) =>
      index === own ? [] : `route add ${range} via ${addressOf(index)}`,
    );
    if (routes.length > 0) await ip(pid, routes);
  }
}

async function ip(pid: number, lines: readonly string[]): Promise<void> {
  await runCommand([...enterNetwork(pid), "ip", "-batch", "-"], { input: lines.join("\n") });
}
