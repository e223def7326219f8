import { Fault } from "../../core/faults.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import type { AcceptedReply } from "../http/schemas.ts";
import type { Replay } from "../../core/stored-request.ts";

/** The answer to an accepted request. */
export function acceptedReply(
  requestId: string,
  model: string,
  estimatedTokens: number,
): AcceptedReply {
  return {
    request_id: requestId,
    status: "queued",
    model,
    estimated_tokens: estimatedTokens,
    urls: { status: `/status/${requestId}`, cancel: `/requests/${requestId}/cancel` },
  };
}

/**
 * A repeat with the same `Idempotency-Key` answers what the first call answered, whatever has become of the request since, and takes
 * nothing.
 *
 * @throws {Fault} IDEMPOTENCY_MISMATCH, REQUEST_UNKNOWN
 */
export async function replayedReply(
  { findRequests }: Pick<GatewayPorts, "findRequests">,
  { userId }: Principal,
  { requestId, sameBody }: Replay,
): Promise<AcceptedReply> {
  if (!sameBody)
    throw new Fault(
      "IDEMPOTENCY_MISMATCH",
      "this Idempotency-Key was used with another body; use a new key",
    );
  const [stored] = await findRequests([{ requestId, userId }]);
  if (stored === undefined)
    throw new Fault(
      "REQUEST_UNKNOWN",
      "the request of this Idempotency-Key is past its retention; use a new key",
    );
  return acceptedReply(stored.requestId, stored.model, stored.estimatedTokens);
}
