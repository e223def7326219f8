/**
 * Returns the wait that a `Retry-After` header asks for (RFC 9110, section 10.2.3), which is seconds or an
 * HTTP date: milliseconds, never negative; null when there is none or it cannot be read.
 */
export function parseRetryAfter(header: string | null, nowMs: number): number | null {
  const text = header?.trim() ?? "";
  if (text === "") return null;
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  const atMs = text.endsWith("GMT") ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}
