import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";

import packageJson from "../../package.json" with { type: "json" };
import type { ShippedPackage } from "./shipped.ts";

/** What an image is made of, as CycloneDX 1.6. The same lock gives the same text. */
export function sbomText(packages: readonly ShippedPackage[]): string {
  const bom = new Models.Bom();
  bom.metadata.component = new Models.Component(Enums.ComponentType.Application, packageJson.name, {
    bomRef: "tollgate",
    version: packageJson.version,
    licenses: new Models.LicenseRepository([new Models.LicenseExpression(packageJson.license)]),
  });
  for (const { name, version, sha512, licence } of packages) {
    const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
    bom.components.add(
      new Models.Component(Enums.ComponentType.Library, name, {
        bomRef: purl,
        purl,
        version,
        hashes: new Models.HashDictionary([[Enums.HashAlgorithm["SHA-512"], sha512]]),
        licenses: new Models.LicenseRepository([new Models.LicenseExpression(licence)]),
      }),
    );
  }
  const factory = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  const options = { sortLists: true, space: 2 };
  return `${new Serialize.JsonSerializer(factory).serialize(bom, options)}\n`;
}
