import type { StartedHint } from "../../core/attempt/start.ts";
import { decodeJson, type InferenceResult } from "../../core/request/payload.ts";
import { isTerminal, type RequestState } from "../../core/request/request.ts";
import type { StoredRequest } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";

/** A request as its owner sees it: its content open, its worker's mark taken into account. */
export interface RequestView extends Omit<StoredRequest, "state" | "metadata" | "result"> {
  state: RequestState;
  metadata: Record<string, unknown> | null;
  /** null unless completed. */
  result: InferenceResult | null;
}

/**
 * Opens what is sealed and adds what the mark of its worker says, for as long as the request has not ended.
 *
 * @throws {Error} when the content cannot be opened, for example for want of an old key
 */
export function viewRequest(
  stored: StoredRequest,
  started: StartedHint | undefined,
  open: GatewayPorts["open"],
): RequestView {
  const { metadata, result } = stored;
  const hasEnded = isTerminal(stored.state);
  return {
    ...stored,
    state: !hasEnded && started !== undefined ? "in_progress" : stored.state,
    attempts: hasEnded ? stored.attempts : (started?.attempt ?? stored.attempts),
    startedAtMs: stored.startedAtMs ?? started?.startedAtMs ?? null,
    metadata:
      metadata === null
        ? null
        : (decodeJson(open(metadata, stored, "metadata")) as Record<string, unknown>),
    result:
      result === null ? null : (decodeJson(open(result, stored, "result")) as InferenceResult),
  };
}
