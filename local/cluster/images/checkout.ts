import { readFileSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../../adapters/state/paths.ts";
import { CommandFailure } from "../../../adapters/terminal/failure.ts";

/** What Tollgate's image is made of: what git knows of the files that `.dockerignore` lets in. */
export async function checkoutDigest(root: string = PROJECT_ROOT): Promise<string> {
  const allowed = readFileSync(join(root, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1));
  const files = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const git = Bun.spawn(["git", ...files, "--", "Dockerfile", ...allowed], {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const text = await new Response(git.stdout).text();
  if ((await git.exited) !== 0)
    throw new CommandFailure(`git does not list the files of ${root}: the image cannot be named`);
  const hasher = new Bun.CryptoHasher("sha256");
  const isPart = (path: string): boolean => path !== "" && !path.endsWith(".test.ts");
  for (const path of text.split("\0").filter(isPart)) {
    const file = Bun.file(join(root, path));
    // Deleted, and git was not told yet.
    if (!(await file.exists())) continue;
    hasher.update(`${path}\0${file.size}\0`).update(await file.bytes());
  }
  return hasher.digest("hex");
}
