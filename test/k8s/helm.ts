import { findProgram } from "../../local/cluster/programs.ts";

/** Helm of the machine, or of the cache; undefined: there is none. */
export const findHelm = (): string | undefined =>
  Bun.which("helm") ?? findProgram("helm", process.env);
