import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

/** A copy of `k8s/` that the drill changes as an operator changes theirs. */
export interface Manifests {
  /** `k8s/overlays/production`, and what this cluster needs of it changed. */
  overlay: string;
  restore: string;
  /** Changes a text in the files of `k8s/` that the pattern finds. @throws when none has it */
  replace: (pattern: string, from: string | RegExp, to: string) => void;
}

export function copyManifests(folder: string): Manifests {
  const root = join(folder, "k8s");
  cpSync(join(PROJECT_ROOT, "k8s"), root, { recursive: true });
  cpSync(join(import.meta.dir, "overlay"), join(root, "overlays/drill"), { recursive: true });
  return {
    overlay: join(root, "overlays/drill"),
    restore: join(root, "restore"),
    replace: (pattern, from, to) => {
      let changed = 0;
      for (const path of new Bun.Glob(pattern).scanSync({ cwd: root, absolute: true })) {
        const before = readFileSync(path, "utf8");
        const after = before.replaceAll(from, to);
        if (after === before) continue;
        writeFileSync(path, after);
        changed += 1;
      }
      if (changed === 0) throw new Error(`nothing in k8s/${pattern} has ${String(from)}`);
    },
  };
}
