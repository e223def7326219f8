import { invalidParameter } from "../../core/faults.ts";

/** Left of a caller's own limit for the way back. */
const MARGIN_SECONDS = 1;

/**
 * How long a caller waits at most, by what OpenAI's SDKs say of themselves, at least half a second; null: it
 * does not say.
 */
export function callerLimitSeconds(headers: Headers): number | null {
  const given = headers.get("x-stainless-timeout") ?? headers.get("x-stainless-read-timeout");
  const seconds = Number(given ?? Number.NaN);
  return seconds > 0 ? Math.max(0.5, seconds - MARGIN_SECONDS) : null;
}

const TRIES_MAX = 1_000;

/** How often the client has repeated this call by itself; null: it does not count. */
export function triesOf(headers: Headers): number | null {
  const given = headers.get("x-stainless-retry-count");
  return given !== null && /^\d{1,9}$/.test(given) ? Math.min(Number(given), TRIES_MAX) : null;
}

/** @throws {Fault} PARAMETER_INVALID */
export function onDisconnectOf(headers: Headers, fallback: "cancel" | "keep"): "cancel" | "keep" {
  const given = headers.get("x-tollgate-on-disconnect");
  if (given === null) return fallback;
  if (given === "cancel" || given === "keep") return given;
  throw invalidParameter("X-Tollgate-On-Disconnect", "must be cancel or keep");
}
