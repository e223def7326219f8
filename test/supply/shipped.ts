import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

/** A package of the image, as bun.lock pins it. */
export interface ShippedPackage {
  name: string;
  version: string;
  /** SHA-512 of the package, hexadecimal. */
  sha512: string;
  /** As its authors state it: an SPDX expression. */
  licence: string;
}

/** What bun.lock says of a package: `name@version`, where it comes from, what it needs, its hash. */
type LockedPackage = [string, string, { dependencies?: Record<string, string> }, string];
interface Lock {
  workspaces: { "": { dependencies: Record<string, string> } };
  packages: Record<string, LockedPackage>;
}

/** All packages of the image: those that the program depends on, in any number of steps, and Bun. */
export async function shippedPackages(): Promise<ShippedPackage[]> {
  const { workspaces, packages } = (await import("../../bun.lock")) as unknown as Lock;
  const places = new Set<string>();
  const reach = (names: readonly string[], from: string): void => {
    for (const name of names) {
      const place = placeOf(name, from, packages);
      if (places.has(place)) continue;
      places.add(place);
      reach(Object.keys(packages[place]?.[2].dependencies ?? {}), place);
    }
  };
  reach(Object.keys(workspaces[""].dependencies), "");
  const shipped = await Promise.all(
    [...places].map((place) => describe(packages[place] as LockedPackage, place)),
  );
  return [...shipped, await bun()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A package may have others of its own below it: `a/b`. The nearest one counts. */
function placeOf(name: string, from: string, packages: Lock["packages"]): string {
  for (let above = from; above !== ""; above = above.replace(/\/?(@[^/]+\/)?[^/]+$/, "")) {
    const place = `${above}/${name}`;
    if (Object.hasOwn(packages, place)) return place;
  }
  if (!Object.hasOwn(packages, name)) throw new Error(`bun.lock does not pin ${name}`);
  return name;
}

async function describe(
  [pinned, , , integrity]: LockedPackage,
  place: string,
): Promise<ShippedPackage> {
  const at = pinned.lastIndexOf("@");
  const folder = place.match(/(@[^/]+\/)?[^/]+/g)?.join("/node_modules/") ?? place;
  const { license: licence } = (await Bun.file(
    join(PROJECT_ROOT, "node_modules", folder, "package.json"),
  ).json()) as { license?: string };
  return {
    name: pinned.slice(0, at),
    version: pinned.slice(at + 1),
    sha512: hexadecimal(integrity),
    licence: licence ?? "none stated",
  };
}

interface NpmLock {
  packages: Record<string, { version: string; integrity: string; license: string }>;
}

/** What bootstrap/bun pins, for `npm ci`. */
export const readBunLock = async (): Promise<NpmLock> =>
  (await Bun.file(join(PROJECT_ROOT, "bootstrap/bun/package-lock.json")).json()) as NpmLock;

async function bun(): Promise<ShippedPackage> {
  const found = (await readBunLock()).packages["node_modules/bun"];
  if (found === undefined) throw new Error("bootstrap/bun/package-lock.json does not pin bun");
  const { version, integrity, license: licence } = found;
  return { name: "bun", version, sha512: hexadecimal(integrity), licence };
}

const hexadecimal = (integrity: string): string =>
  Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
