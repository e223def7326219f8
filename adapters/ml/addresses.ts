import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

/** Where to post to. */
export interface Target {
  url: string;
  /** The name for the header `Host`, where the URL has an address instead; null: the URL has it. */
  host: string | null;
}

/** Looks up the addresses of a name; may reject. */
export type LookUp = (name: string) => Promise<string[]>;

/** How long addresses are used before they are looked up again: new replicas get work within a minute. */
const ADDRESSES_MS = 30_000;
/** Names that are remembered; as many as a configuration has, and those of some older ones. */
const NAMES_MAX = 1_000;

/** A name that takes longer is posted to as it is. */
const LOOK_UP_MS = 2_000;

/** Asks the system, as every call of the name would. */
export async function lookUp(name: string): Promise<string[]> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error("the name was not looked up in time")),
    LOOK_UP_MS,
  );
  const found = lookup(name, { all: true });
  // Nobody waits for it any more once it is late.
  found.catch(() => {});
  try {
    return (await Promise.race([found, late])).map(({ address }) => address);
  } finally {
    clearTimeout(timer);
  }
}

interface Known {
  addresses: string[];
  atMs: number;
  looking: Promise<void> | null;
}

/**
 * Returns a function that spreads URLs over the addresses of their names, such as those of a headless
 * service: each address is a target of its own. Plain HTTP only: by an address, Bun's fetch would check
 * certificates against it instead of the name. A name that cannot be looked up, or has one address, stays as
 * it is.
 */
export function createAddresses(
  find: LookUp,
  nowMs: () => number,
): (urls: readonly string[]) => Target[] | Promise<Target[]> {
  const names = new Map<string, Known>();

  function look(name: string, known: Known): Promise<void> {
    known.looking ??= find(name)
      .then((addresses) => void (known.addresses = [...new Set(addresses)].sort()))
      // The old ones may still be right, and without any the call itself says what is wrong.
      .catch(() => {})
      .finally(() => {
        known.atMs = nowMs();
        known.looking = null;
      });
    return known.looking;
  }

  /** Waits for the first look only; later ones happen beside the calls. */
  function addressesOf(name: string): string[] | Promise<string[]> {
    const known = names.get(name);
    if (known !== undefined) {
      if (nowMs() - known.atMs >= ADDRESSES_MS) void look(name, known);
      return known.atMs < 0 && known.looking !== null
        ? known.looking.then(() => known.addresses)
        : known.addresses;
    }
    const made: Known = { addresses: [], atMs: -Infinity, looking: null };
    names.set(name, made);
    for (const oldest of names.keys()) {
      if (names.size <= NAMES_MAX) break;
      names.delete(oldest);
    }
    return look(name, made).then(() => made.addresses);
  }

  return (urls) => {
    const found = urls.map((url) => {
      const { protocol, hostname } = new URL(url);
      const isName = isIP(hostname.replace(/^\[|\]$/g, "")) === 0 && hostname !== "localhost";
      return protocol === "http:" && isName ? addressesOf(hostname) : [];
    });
    const spread = (all: readonly string[][]): Target[] =>
      urls.flatMap((url, i) => targetsOf(url, all[i] ?? []));
    return found.every((addresses) => Array.isArray(addresses))
      ? spread(found)
      : Promise.all(found.map((one) => Promise.resolve(one))).then(spread);
  };
}

function targetsOf(url: string, addresses: readonly string[]): Target[] {
  if (addresses.length < 2) return [{ url, host: null }];
  return addresses.map((address) => {
    const target = new URL(url);
    const { host } = target;
    target.hostname = isIP(address) === 6 ? `[${address}]` : address;
    return { url: target.href, host };
  });
}
