import { join } from "node:path";

import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { expect, test } from "bun:test";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { sbomText } from "./sbom.ts";
import { readBunLock, shippedPackages } from "./shipped.ts";

/** Licences that ask for no more than their text and a notice. */
const PERMISSIVE = new Set([
  "MIT",
  "Apache-2.0",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "Unlicense",
]);
/** Those that `.bun-version` runs on, and that images are built for. */
const PLATFORMS = ["linux-x64", "linux-aarch64", "darwin-aarch64"];
const SBOM = join(PROJECT_ROOT, "sbom.cdx.json");

const shipped = await shippedPackages();

test("sbom.cdx.json lists what an image ships, with hashes and licences", async () => {
  const text = sbomText(shipped);
  if (process.env["UPDATE_DOCS"] === "1") await Bun.write(SBOM, text);

  expect(await Bun.file(SBOM).text()).toBe(text);
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  expect(await validator.validate(text)).toBeNull();
});

test("every package that is shipped has a permissive licence", () => {
  const others = shipped.filter(({ licence }) => !PERMISSIVE.has(licence));

  expect(shipped.length).toBeGreaterThan(20);
  expect(others).toEqual([]);
});

test("Bun is installed by the hash of its package, in the version of .bun-version", async () => {
  const version = (await Bun.file(join(PROJECT_ROOT, ".bun-version")).text()).trim();
  const { packages } = await readBunLock();
  const names = ["bun", ...PLATFORMS.map((platform) => `@oven/bun-${platform}`)];

  for (const name of names)
    expect(packages[`node_modules/${name}`]).toMatchObject({
      version,
      integrity: expect.stringMatching(/^sha512-/),
    });
});
