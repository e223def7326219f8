import { hostname, userInfo } from "node:os";

import type { Act } from "../../adapters/postgres/operator-actions.ts";

/** For every command whose acts are noted in `operator_actions`. */
export const ACTOR_OPTION = [
  "--actor <who>",
  "who does it, as it is noted (default: your user name and this host)",
] as const;

/** For every command whose acts are noted in `operator_actions`. */
export const REASON_OPTION = ["--reason <text>", "why, to be noted with it"] as const;

export interface ActOptions {
  actor?: string;
  reason?: string;
}

/** Who runs this command, and why. */
export const actOf = ({ actor, reason }: ActOptions): Act => ({
  actor: actorOf(actor),
  reason: reason === undefined || reason.trim() === "" ? null : reason,
});

/** Who runs this command, for the notes of what operators did. */
function actorOf(given: string | undefined): string {
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
