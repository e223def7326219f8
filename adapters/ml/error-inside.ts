import { memberOf } from "./openai-fields.ts";

/** Codes that services write as words, and the status that each would have. */
const STATUS_OF_WORD: Readonly<Record<string, number>> = {
  context_length_exceeded: 400,
  invalid_request_error: 400,
  unsupported_parameter: 400,
  content_policy_violation: 400,
  BadRequestError: 400,
  invalid_api_key: 401,
  authentication_error: 401,
  insufficient_quota: 402,
  billing_not_active: 402,
  permission_error: 403,
  permission_denied: 403,
  model_not_found: 404,
  not_found_error: 404,
  NotFoundError: 404,
  timeout: 504,
  timeout_error: 504,
  rate_limit_exceeded: 429,
  rate_limit_error: 429,
  engine_overloaded: 503,
  overloaded_error: 503,
  service_unavailable: 503,
  server_error: 500,
  internal_error: 500,
};
const STATUS_UNKNOWN = 500;

/**
 * The status that a reply of status 2xx means, because it has an error inside; null: it has none. The code
 * decides, as a number or in words, then the status, then the type; without any of them it is a 500.
 */
export function statusInside(reply: unknown): number | null {
  const error = memberOf(reply, "object") === "error" ? reply : memberOf(reply, "error");
  if (error === undefined || error === null || error === false || error === "") return null;
  for (const name of ["code", "status", "type"]) {
    const status = statusOf(memberOf(error, name));
    if (status !== null) return status;
  }
  return STATUS_UNKNOWN;
}

function statusOf(code: unknown): number | null {
  const number = typeof code === "string" && /^\d{3}$/.test(code) ? Number(code) : code;
  if (typeof number === "number" && number >= 400 && number <= 599) return number;
  const isWord = typeof code === "string" && Object.hasOwn(STATUS_OF_WORD, code);
  return isWord ? (STATUS_OF_WORD[code] ?? null) : null;
}
