import { Fault } from "../../core/faults.ts";

/**
 * The error code of a Redis reply: its first word, by protocol
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/).
 */
export function replyErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  return error.message.split(" ", 1)[0];
}

/**
 * Whether a command or script broke off because of what is stored under its keys (another type, no number,
 * out of shape), and not for the state of the server (away, loading, out of memory, read-only), which has
 * codes of its own.
 */
export function isStoredFault(error: unknown): boolean {
  const code = replyErrorCode(error);
  return code === "WRONGTYPE" || code === "ERR";
}

/** Whether a node of a cluster refused a command because the slot of its keys is elsewhere or moves. */
export function isRedirection(code: string | undefined): boolean {
  return code === "MOVED" || code === "ASK" || code === "TRYAGAIN";
}

/** Turns whatever the client library threw into the fault that a caller may see. */
export function toQuotaFault(error: unknown): Fault {
  return error instanceof Fault
    ? error
    : new Fault("QUOTA_UNAVAILABLE", "Redis did not answer", { cause: error });
}
