import { Fault } from "../../core/faults.ts";

const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** What tells a key of ours from credentials that a proxy or a browser adds. */
const KEY_PREFIX = "tg_";

/**
 * The API key of a call: `Authorization: Bearer`, or `X-API-Key`. What is no key of ours counts only where
 * there is none: a proxy may have put it there.
 *
 * @throws {Fault} KEY_MISSING, KEY_MALFORMED, KEY_AMBIGUOUS
 */
export function apiKeyOf(headers: Headers): string {
  const authorization = headers.get("authorization");
  const bearer = authorization === null ? null : bearerOf(authorization);
  const header = headers.get("x-api-key")?.trim() ?? null;
  const isBearerOurs = bearer?.startsWith(KEY_PREFIX) === true;
  const isHeaderOurs = header?.startsWith(KEY_PREFIX) === true;
  if (isBearerOurs && isHeaderOurs && bearer !== header)
    throw new Fault("KEY_AMBIGUOUS", "Authorization and X-API-Key hold different keys; send one");
  if (isBearerOurs) return bearer;
  if (isHeaderOurs) return header;
  if (authorization === null && header === null)
    throw new Fault(
      "KEY_MISSING",
      "send an API key as Authorization: Bearer <key> or X-API-Key: <key>",
    );
  throw new Fault(
    "KEY_MALFORMED",
    `send the header Authorization: Bearer <key>; a key starts with ${KEY_PREFIX}`,
  );
}

function bearerOf(authorization: string): string | null {
  const [scheme = "", key = ""] = authorization.trim().split(/\s+/, 2);
  return scheme.toLowerCase() === "bearer" ? key : null;
}

/**
 * The key of an `Idempotency-Key` header, a structured-field string (`"…"`) or bare; null without the
 * header (draft-ietf-httpapi-idempotency-key-header).
 *
 * @throws {Fault} PARAMETER_INVALID
 */
export function idempotencyKeyOf(headers: Headers): string | null {
  const header = headers.get("idempotency-key");
  if (header === null) return null;
  const key =
    /^"((?:[^"\\]|\\["\\])*)"$/.exec(header.trim())?.[1]?.replaceAll(/\\(["\\])/g, "$1") ??
    header.trim();
  if (key.length === 0 || key.length > IDEMPOTENCY_KEY_CHARS_MAX) {
    throw new Fault("PARAMETER_INVALID", "the Idempotency-Key is not valid", {
      details: [
        {
          field: "Idempotency-Key",
          message: `must have 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} characters`,
        },
      ],
    });
  }
  return key;
}

/**
 * How long a caller wants to wait, and whether `Prefer` asked for it (then the reply says
 * `Preference-Applied`).
 */
export interface Wait {
  seconds: number;
  preferred: boolean;
}

/**
 * The wait that `?wait=N` or `Prefer: wait=N` (RFC 7240) asks for; a preference above the maximum is cut to
 * it.
 *
 * @throws {Fault} PARAMETER_INVALID
 */
export function waitOf(query: string | null, prefer: string | null, secondsMax: number): Wait {
  if (query !== null) {
    const seconds = /^\d{1,6}$/.test(query) ? Number(query) : Number.NaN;
    if (!(seconds <= secondsMax)) throw invalidWait(secondsMax);
    return { seconds, preferred: false };
  }
  const preference =
    prefer === null ? undefined : /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(prefer)?.[1];
  if (preference === undefined) return { seconds: 0, preferred: false };
  return { seconds: Math.min(Number(preference), secondsMax), preferred: true };
}

function invalidWait(secondsMax: number): Fault {
  return new Fault("PARAMETER_INVALID", "the wait is not valid", {
    details: [
      { field: "wait", message: `must be a whole number of seconds from 0 to ${secondsMax}` },
    ],
  });
}
