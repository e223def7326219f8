/** What a scenario may need besides the servers. */
export type ToolName = "wrk" | "k6" | "bento" | "portkey";

/** What is on this machine already. */
export interface FoundTools {
  wrk: string | undefined;
  k6: string | undefined;
  bento: string | undefined;
  portkey: string | undefined;
  /** Whether Node.js and npm are here. */
  hasNode: boolean;
  goVersion: Version | undefined;
  /** Of the package that apt would install. */
  goPackageVersion: Version | undefined;
  /** Only with an engine that answers. */
  docker: string | undefined;
}

type Version = readonly [major: number, minor: number];
type Way = { how: "found"; path: string } | { how: "build" } | { how: "none"; problem: string };

/** How each thing that is needed will be had. What is not needed is absent. */
export interface ToolPlan {
  /** Whether wrk is needed. */
  wrk: boolean;
  k6?: Way | { how: "docker"; path: string };
  bento?: Way;
  portkey?: Way;
  /** To be installed first; `tool` is the name that people know. */
  packages: { tool: string; name: string }[];
}

export const GO_PACKAGE = "golang-go";
/** From here on `go` fetches the version that a go.mod names (https://go.dev/doc/toolchain). */
const GO_MIN: Version = [1, 21];
const GO_MIN_TEXT = GO_MIN.join(".");

const isEnough = (version: Version | undefined): boolean =>
  version !== undefined &&
  (version[0] > GO_MIN[0] || (version[0] === GO_MIN[0] && version[1] >= GO_MIN[1]));

/** What is on the machine is taken; else it is built with Go; k6 also runs in Docker. wrk comes from a package. */
export function planTools(needs: ReadonlySet<ToolName>, found: FoundTools): ToolPlan {
  const plan: ToolPlan = { wrk: needs.has("wrk"), packages: [] };
  if (plan.wrk && found.wrk === undefined) plan.packages.push({ tool: "wrk", name: "wrk" });
  const canBuild = isEnough(found.goVersion) || isEnough(found.goPackageVersion);
  const wayOf = (path: string | undefined): Way => {
    if (path !== undefined) return { how: "found", path };
    return canBuild ? { how: "build" } : { how: "none", problem: whyNoGo(found) };
  };
  if (needs.has("k6")) {
    const way = wayOf(found.k6);
    const useDocker = way.how === "none" && found.docker !== undefined;
    plan.k6 = useDocker ? { how: "docker", path: found.docker ?? "docker" } : way;
  }
  if (needs.has("bento")) plan.bento = wayOf(found.bento);
  if (needs.has("portkey")) plan.portkey = wayOfPortkey(found);
  const builds = plan.k6?.how === "build" || plan.bento?.how === "build";
  if (builds && !isEnough(found.goVersion)) plan.packages.push({ tool: "Go", name: GO_PACKAGE });
  return plan;
}

function wayOfPortkey({ portkey, hasNode }: FoundTools): Way {
  if (portkey !== undefined) return { how: "found", path: portkey };
  if (hasNode) return { how: "build" };
  return { how: "none", problem: "it runs on Node.js, which is not here with npm" };
}

function whyNoGo({ goVersion, goPackageVersion }: FoundTools): string {
  const seen =
    goVersion === undefined ? "there is none here" : `the one here is ${goVersion.join(".")}`;
  const offer =
    goPackageVersion === undefined
      ? "and no package of it"
      : `and the package is ${goPackageVersion.join(".")}`;
  return `it is built with Go ${GO_MIN_TEXT} or later, ${seen} ${offer} (https://go.dev/dl)`;
}

/** `go version go1.26.8 linux/amd64` → [1, 26]. */
export function parseGoVersion(text: string): Version | undefined {
  return versionOf(/\bgo(\d+)\.(\d+)/.exec(text));
}

/** The version that `apt-cache policy` would install, such as `Candidate: 2:1.24~2` → [1, 24]. */
export function parseCandidate(text: string): Version | undefined {
  return versionOf(/^ *Candidate: (?:\d+:)?(\d+)\.(\d+)/m.exec(text));
}

function versionOf(match: RegExpExecArray | null): Version | undefined {
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}
