import type { Settlement, SettleReply } from "../../core/quota/quota.ts";
import type { FinishPorts, Process } from "../ports.ts";

/**
 * Settles, and logs which users have broken books in Redis. Their settlements count as done: the bill is in
 * the ledger, and a forgotten user is rebuilt from it before the next use, so nothing is left to be repeated.
 * So do those of users whose part of Redis is away, whom nobody else shall wait for: the keeper settles a
 * hold without an open request.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE
 */
export async function settleAll(
  { settle, log }: Pick<FinishPorts & Process, "settle" | "log">,
  settlements: Settlement[],
): Promise<SettleReply[]> {
  if (settlements.length === 0) return [];
  const replies = await settle(settlements);
  const broken = settlements.filter((_, index) => replies[index] === "broken");
  for (const userId of new Set(broken.map((settlement) => settlement.userId))) {
    log.error(
      { user_id: userId },
      "Redis stored something of a user that is not ours: the user was forgotten there and is rebuilt from " +
        "PostgreSQL at the next use; ./tollgate audit tells whether the books agree, and find out who else " +
        "writes to this Redis",
    );
  }
  const away = replies.filter((reply) => reply === "away").length;
  if (away > 0) log.warn({ settlements: away }, "a part of Redis is away: its holds stay for now");
  return replies;
}
