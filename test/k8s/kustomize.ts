import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Resource } from "./schemas/check-schema.ts";

const ROOT = join(import.meta.dir, "../..");
const BIN = join(ROOT, ".tollgate/bin");

/** Builds with Go 1.19 (Debian 12's) and everything newer; the manifests need nothing that came later. */
const KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.0.3";

/** Older ones, as in Debian 12's kubernetes-client, do not know `labels` and `patches`. */
const MAJOR_MIN = 5;

export const ROOTS = ["overlays/dev", "overlays/production", "restore"] as const;
export type Root = (typeof ROOTS)[number];

function run(command: string[], env?: Record<string, string>): { ok: boolean; out: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const ok = exitCode === 0;
  return { ok, out: (ok ? stdout : stderr).toString() };
}

function kubectlBuilds(): boolean {
  if (Bun.which("kubectl") === null) return false;
  const { ok, out } = run(["kubectl", "version", "--client", "--output=json"]);
  if (!ok) return false;
  const { kustomizeVersion = "v0" } = JSON.parse(out) as { kustomizeVersion?: string };
  return Number(kustomizeVersion.replace(/^v/, "").split(".")[0]) >= MAJOR_MIN;
}

/**
 * Returns the command that builds a folder, or null and why there is none: kustomize or kubectl of the
 * machine, else kustomize built once with the machine's Go into `.tollgate/bin`.
 */
export function findKustomize(): { command: string[] } | { command: null; reason: string } {
  const own = join(BIN, "kustomize");
  if (existsSync(own)) return { command: [own, "build"] };
  if (kubectlBuilds()) return { command: ["kubectl", "kustomize"] };
  const installed = Bun.which("kustomize");
  if (installed !== null) return { command: [installed, "build"] };
  if (Bun.which("go") === null) {
    return {
      command: null,
      reason:
        "no kustomize: install kubectl 1.27 or newer, or Go (apt-get install golang-go), which builds it",
    };
  }
  const built = run(["go", "install", KUSTOMIZE], { GOBIN: BIN });
  if (built.ok) return { command: [own, "build"] };
  return { command: null, reason: `go install ${KUSTOMIZE}: ${built.out.trim()}` };
}

/** The resources that `kubectl apply -k k8s/<root>` would send. */
export const build = (command: readonly string[], root: Root | "base"): Resource[] =>
  buildFolder(command, join(ROOT, "k8s", root));

/** The same of a folder elsewhere. */
export function buildFolder(command: readonly string[], folder: string): Resource[] {
  const { ok, out } = run([...command, folder]);
  if (!ok) throw new Error(`${folder} cannot be built: ${out}`);
  return [Bun.YAML.parse(out)].flat() as Resource[];
}
