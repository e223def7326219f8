import { existsSync } from "node:fs";
import { join } from "node:path";

import { portkeyProgram } from "./install-portkey.ts";
import { GO_PACKAGE, parseCandidate, parseGoVersion, type FoundTools } from "./plan-tools.ts";

/** What is on this machine, on the PATH or built before into `builtFolder`. */
export function findTools(builtFolder: string): FoundTools {
  const built = (name: string): string | undefined => {
    const path = join(builtFolder, name);
    return existsSync(path) ? path : undefined;
  };
  return {
    wrk: Bun.which("wrk") ?? undefined,
    k6: Bun.which("k6") ?? built("k6"),
    bento: built("bento"),
    portkey: existsSync(portkeyProgram(builtFolder)) ? portkeyProgram(builtFolder) : undefined,
    hasNode: Bun.which("node") !== null && Bun.which("npm") !== null,
    goVersion: parseGoVersion(outputOf(["go", "version"])),
    goPackageVersion: parseCandidate(outputOf(["apt-cache", "policy", GO_PACKAGE])),
    docker: runningDocker(),
  };
}

function runningDocker(): string | undefined {
  const docker = Bun.which("docker");
  return docker !== null && Bun.spawnSync([docker, "info"], { stderr: "ignore" }).success
    ? docker
    : undefined;
}

/** What a command prints; empty when it is not there or fails. */
function outputOf([program = "", ...args]: readonly string[]): string {
  const path = Bun.which(program);
  if (path === null) return "";
  const run = Bun.spawnSync([path, ...args], {
    stderr: "ignore",
    env: { ...process.env, LC_ALL: "C" },
  });
  return run.success ? run.stdout.toString() : "";
}
