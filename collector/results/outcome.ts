import type { FinishReply } from "../../core/request/finish.ts";
import type { TerminalState } from "../../core/request/request.ts";
import type { DecodedDelivery } from "../ports.ts";

/**
 * What became of a result. A terminal state: it ended the request so. `duplicate`: the request had ended like
 * this before. `late`: it had ended otherwise. `unknown`: PostgreSQL has no such request. `unreadable`: it
 * went to the dead letters.
 */
export type ResultOutcome = TerminalState | "duplicate" | "late" | "unknown" | "unreadable";

/** `claimed`: the state that the delivery asked for. */
export function outcomeOf(claimed: TerminalState, reply: FinishReply): ResultOutcome {
  if (reply === "unknown") return "unknown";
  if (reply.moved) return reply.state;
  return reply.state === claimed ? "duplicate" : "late";
}

export function claimedState(decoded: DecodedDelivery): TerminalState {
  return decoded.kind === "result" ? decoded.result.state : "failed";
}
