import { bringPackage, sayLeftOut } from "./bring-package.ts";

const LEFT_OUT = "packet loss";
/**
 * Drops this percentage of the packets that come in over loopback, as a network does that loses them in both
 * directions.
 */
const lossRule = (percent: number): string =>
  `add rule inet tollgate input iifname lo numgen random mod 100 < ${percent} counter drop`;
const TABLE =
  "add table inet tollgate; add chain inet tollgate input { type filter hook input priority 0 ; }";

/** Runs a command in a network namespace of its own, in which loopback is up and nothing else is. */
export const inNamespace = (command: readonly string[]): string[] => [
  "unshare",
  "--net",
  "sh",
  "-c",
  'ip link set lo up && exec "$@"',
  "sh",
  ...command,
];

/**
 * Whether this machine can lose packets; says why not. It uses a namespace of its own and a rule of nftables,
 * because kernels without the module for it refuse `tc qdisc add dev lo root netem loss 5%` ("Specified qdisc
 * kind is unknown").
 */
export async function canLosePackets(): Promise<boolean> {
  if (process.getuid?.() !== 0 || Bun.which("unshare") === null) {
    sayLeftOut(LEFT_OUT, "only root can make a network namespace, with unshare");
    return false;
  }
  for (const [name, program] of [
    ["iproute2", "ip"],
    ["nftables", "nft"],
  ] as const)
    if ((await bringPackage(name, () => findProgram(program), LEFT_OUT)) === undefined)
      return false;
  const tried = Bun.spawnSync(inNamespace(["nft", `${TABLE}; ${lossRule(1)}`]));
  if (!tried.success) sayLeftOut(LEFT_OUT, `nft: ${tried.stderr.toString().trim()}`);
  return tried.success;
}

const findProgram = (program: string): string | undefined => Bun.which(program) ?? undefined;

/** Makes the namespace lose this percentage of packets from now on. Call it within the namespace only. */
export function losePackets(percent: number): void {
  nft(`${TABLE}; flush chain inet tollgate input; ${percent === 0 ? "" : lossRule(percent)}`);
}

/** How many packets were lost since `losePackets`. */
export function packetsLost(): number {
  return Number(/packets (\d+)/.exec(nft("list chain inet tollgate input"))?.[1] ?? 0);
}

function nft(commands: string): string {
  const run = Bun.spawnSync(["nft", commands]);
  if (!run.success) throw new Error(`nft ${commands}: ${run.stderr.toString()}`);
  return run.stdout.toString();
}
