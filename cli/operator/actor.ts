import { hostname, userInfo } from "node:os";

/** For every command whose acts are noted in `operator_actions`. */
export const ACTOR_OPTION = [
  "--actor <who>",
  "who does it, as it is noted (default: your user name and this host)",
] as const;

/** Who runs this command, for the notes of what operators did. */
export function actorOf(given: string | undefined): string {
  return given || `${userName()}@${hostname()}`;
}

/** A container may run as a user that has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "unknown");
  }
}
