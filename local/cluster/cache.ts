import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where programs are kept that take minutes to build. It outlives a checkout, and all checkouts of this user
 * share it; what is in it can be made again.
 */
export function cacheFolder(env: Record<string, string | undefined>): string {
  const own = env["TOLLGATE_CACHE"] ?? "";
  if (own !== "") return own;
  // A relative path there is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
  const shared = env["XDG_CACHE_HOME"] ?? "";
  return join(shared.startsWith("/") ? shared : join(homedir(), ".cache"), "tollgate");
}

const DIGEST_CHARS = 12;

/** A folder's name for what is made of these inputs: other inputs are made anew, beside it. */
export function cacheKey(name: string, inputs: readonly string[]): string {
  const digest = new Bun.CryptoHasher("sha256").update(JSON.stringify(inputs)).digest("hex");
  return `${name}-${digest.slice(0, DIGEST_CHARS)}`;
}
