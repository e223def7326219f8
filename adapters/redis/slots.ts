/** https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model */
const SLOTS = 16_384;

/** CRC16 as XMODEM has it. */
function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  }
  return crc & 0xffff;
}

/** The slot of a key: of what stands in its first braces, if something does. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open === -1 ? -1 : key.indexOf("}", open + 1);
  return crc16(close > open + 1 ? key.slice(open + 1, close) : key) % SLOTS;
}

/** `host:port`, an IPv6 address in brackets. */
const nodeAddress = (host: string, port: number | string): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

export interface ClusterMap {
  /** The address of its master by slot; where there is none nobody serves the slot. */
  masters: string[];
  /** Of masters and replicas. */
  addresses: string[];
}

/** Of a reply to CLUSTER SLOTS: first slot, last slot, master, replicas … */
type SlotRange = [first: number, last: number, ...nodes: [host: string | null, port: number][]];

/** Reads CLUSTER SLOTS; a node without a host is one at the host that was `asked`. */
export function readClusterMap(reply: unknown, asked: string): ClusterMap {
  const askedHost = asked.slice(0, asked.lastIndexOf(":")).replaceAll(/[[\]]/g, "");
  const masters: string[] = [];
  const addresses = new Set<string>();
  for (const [first, last, ...nodes] of reply as SlotRange[]) {
    const [master, ...replicas] = nodes.map(([host, port]) => nodeAddress(host || askedHost, port));
    if (master === undefined) continue;
    for (let slot = first; slot <= last; slot += 1) masters[slot] = master;
    for (const address of [master, ...replicas]) addresses.add(address);
  }
  return { masters, addresses: [...addresses] };
}

/** Of `MOVED 3999 10.0.0.7:6381`; undefined: the node to ask is the one that was asked, at another port. */
export function readMoved(message: string): { slot: number; address: string } | undefined {
  const [, slot = "", place = ""] = message.split(" ");
  const colon = place.lastIndexOf(":");
  if (colon < 1) return undefined;
  return {
    slot: Number(slot),
    address: nodeAddress(place.slice(0, colon), place.slice(colon + 1)),
  };
}
