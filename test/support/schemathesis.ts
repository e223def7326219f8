import { join } from "node:path";

import { bringPythonPackage } from "./python-package.ts";

const VERSION = "4.32.5";

/** The program `schemathesis`; undefined where it cannot be had, which was said then. */
export async function bringSchemathesis(): Promise<string | undefined> {
  const programs = await bringPythonPackage(
    "schemathesis",
    VERSION,
    "The OpenAPI document is not tried with Schemathesis",
  );
  return programs && join(programs, "schemathesis");
}
