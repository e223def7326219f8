/** What a scenario may need besides the servers. */
export type ToolName = "wrk" | "k6" | "bento" | "portkey";

type Version = readonly [major: number, minor: number];

/** What is on this machine already. */
export interface FoundTools {
  /** The path of each tool, as far as it is here. */
  paths: Partial<Record<ToolName, string>>;
  /** Whether Node.js and npm are here. */
  hasNode: boolean;
  goVersion?: Version | undefined;
  /** Of the package that apt would install. */
  goPackageVersion?: Version | undefined;
  /** Only with an engine that runs. */
  docker?: string | undefined;
}

/**
 * How a tool will be had: it is here, comes with a package, is built or installed, runs in Docker, or cannot.
 */
export type Way =
  | { how: "found" | "docker"; path: string }
  | { how: "package" | "build" }
  | { how: "none"; problem: string };

export interface ToolPlan {
  /** What is not needed is absent. */
  ways: Partial<Record<ToolName, Way>>;
  /** To be installed first; `tool` is the name that people know. */
  packages: { tool: string; name: string }[];
}

export const GO_PACKAGE = "golang-go";
/** From here on `go` fetches the version that a go.mod names (https://go.dev/doc/toolchain). */
const GO_MIN: Version = [1, 21];

const isEnough = ([major, minor]: Version = [0, 0]): boolean =>
  major > GO_MIN[0] || (major === GO_MIN[0] && minor >= GO_MIN[1]);

/**
 * What is on the machine is taken; else it is built with Go; k6 also runs in Docker. wrk comes from a
 * package.
 */
export function planTools(needs: ReadonlySet<ToolName>, found: FoundTools): ToolPlan {
  const { goVersion, goPackageVersion, docker } = found;
  const canBuild = isEnough(goVersion) || isEnough(goPackageVersion);
  const withGo: Way = canBuild ? { how: "build" } : { how: "none", problem: whyNoGo(found) };
  const noNode = "it runs on Node.js, which is not here with npm";
  const otherwise: Record<ToolName, Way> = {
    wrk: { how: "package" },
    k6: canBuild || docker === undefined ? withGo : { how: "docker", path: docker },
    bento: withGo,
    portkey: found.hasNode ? { how: "build" } : { how: "none", problem: noNode },
  };
  const plan: ToolPlan = { ways: {}, packages: [] };
  for (const name of needs) {
    const path = found.paths[name];
    plan.ways[name] = path === undefined ? otherwise[name] : { how: "found", path };
  }
  const { wrk, k6, bento } = plan.ways;
  if (wrk?.how === "package") plan.packages.push({ tool: "wrk", name: "wrk" });
  if ((k6?.how === "build" || bento?.how === "build") && !isEnough(goVersion))
    plan.packages.push({ tool: "Go", name: GO_PACKAGE });
  return plan;
}

function whyNoGo({ goVersion, goPackageVersion }: FoundTools): string {
  const say = (version: Version | undefined): string => version?.join(".") ?? "unknown";
  const seen = `here it is ${say(goVersion)}, its package ${say(goPackageVersion)}`;
  return `it is built with Go ${say(GO_MIN)} or later; ${seen} (https://go.dev/dl)`;
}

/** The first version in a text, such as `go1.26.8` or the candidate `2:1.24~2` of apt: [1, 26], [1, 24]. */
export function parseVersion(text: string): Version | undefined {
  const match = /(?:\bgo|Candidate: (?:\d+:)?)(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}
