import { readBody } from "./read-body.ts";
import { parseRetryAfter } from "./retry-after.ts";

export interface MlHttpCall {
  url: string;
  headers: Record<string, string>;
  body: unknown;
  timeoutMs: number;
  replyBytesMax: number;
}

/**
 * How one HTTP call ended. `text` is null when the body was too long; `reason` is a code of the system, such
 * as ECONNRESET.
 */
export type MlHttpReply =
  | { kind: "replied"; status: number; text: string | null; retryAfterMs: number | null }
  | { kind: "timeout" }
  | { kind: "unreachable"; reason: string };

/** Only this much is read of a reply that is not a success: enough for the connection to be used again. */
const ERROR_BYTES_MAX = 65_536;

/**
 * Posts JSON once: no redirects, no retry, at most `timeoutMs` from start to the last byte, at most
 * `replyBytesMax` bytes. The body is always read or cancelled.
 *
 * @throws the signal's reason when the signal aborts
 */
export async function postJson(call: MlHttpCall, signal: AbortSignal): Promise<MlHttpReply> {
  signal.throwIfAborted();
  const abort = new AbortController();
  const onAbort = (): void => abort.abort();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    abort.abort();
  }, call.timeoutMs);
  signal.addEventListener("abort", onAbort);
  try {
    const response = await fetch(call.url, {
      method: "POST",
      // Compressed replies would hide their size from the bound.
      headers: {
        accept: "application/json",
        "accept-encoding": "identity",
        "user-agent": "tollgate",
        ...call.headers,
        "content-type": "application/json",
      },
      body: JSON.stringify(call.body),
      // A redirect would take the prompt and the bearer token to a place nobody configured.
      redirect: "manual",
      signal: abort.signal,
    });
    const text = await readBody(response, response.ok ? call.replyBytesMax : ERROR_BYTES_MAX);
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
    return { kind: "replied", status: response.status, text, retryAfterMs };
  } catch (error) {
    signal.throwIfAborted();
    return isLate ? { kind: "timeout" } : { kind: "unreachable", reason: reasonOf(error) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Only the code: messages of the runtime may contain the URL. */
function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^\w{1,64}$/.test(code) ? code : "unknown reason";
}
