import { Fault } from "../../core/faults.ts";
import type { Replay, StoredRequest } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";

/**
 * The request that a replay stands for, as it was accepted, whatever has become of it since. Takes nothing.
 *
 * @throws {Fault} IDEMPOTENCY_MISMATCH, REQUEST_UNKNOWN, STORE_UNAVAILABLE
 */
export async function findReplayed(
  { findRequests }: Pick<GatewayPorts, "findRequests">,
  userId: string,
  { requestId, sameBody }: Replay,
): Promise<StoredRequest> {
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
  return stored;
}
