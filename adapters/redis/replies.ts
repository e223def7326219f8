import { Fault } from "../../core/faults.ts";

/** The error code of a Redis reply: its first word, by protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/). */
export function replyErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  return error.message.split(" ", 1)[0];
}

/** Whatever the client library threw, as the fault a caller may see. */
export function toQuotaFault(error: unknown): Fault {
  return error instanceof Fault
    ? error
    : new Fault("QUOTA_UNAVAILABLE", "Redis did not answer", { cause: error });
}
