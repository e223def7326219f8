import type { Fault, FaultCode } from "../../core/faults.ts";

/** The `error` member that OpenAI's SDKs read of a refusal. */
export interface OpenAiError {
  message: string;
  type: string;
  /** The first wrong field as OpenAI writes it, `messages[0].content`; null: none. */
  param: string | null;
  code: string;
}

const TYPES_BY_STATUS: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
};

/**
 * Where the status alone does not say what OpenAI's clients branch on. Other codes are ours, in lower case.
 */
const LIKE_OPENAI: Partial<Record<FaultCode, { type?: string; code: string }>> = {
  KEY_MALFORMED: { code: "invalid_api_key" },
  KEY_UNKNOWN: { code: "invalid_api_key" },
  MODEL_NOT_FOUND: { type: "invalid_request_error", code: "model_not_found" },
  MODEL_UNKNOWN: { code: "model_not_found" },
  PROMPT_TOO_LONG: { code: "context_length_exceeded" },
  CONCURRENCY_EXCEEDED: { code: "rate_limit_exceeded" },
  QUOTA_EXCEEDED: { type: "insufficient_quota", code: "insufficient_quota" },
  QUOTA_NEVER_FITS: { type: "insufficient_quota", code: "insufficient_quota" },
};

/** A fault as OpenAI would say it; `detail` is what a caller may read of it. */
export function openAiError(fault: Fault, detail: string): OpenAiError {
  const { status, title } = fault.spec;
  const like = LIKE_OPENAI[fault.code];
  const [first] = fault.details;
  return {
    message: `${title}: ${fault.code === "BODY_INVALID" ? fieldsOf(fault) : detail}`,
    type:
      like?.type ??
      (status >= 500 ? "server_error" : (TYPES_BY_STATUS[status] ?? "invalid_request_error")),
    param: first === undefined ? null : paramOf(first.field),
    code: like?.code ?? fault.code.toLowerCase(),
  };
}

/** Every wrong field: the SDK for Node shows a person nothing but the message. */
const fieldsOf = ({ details, message }: Fault): string =>
  details.length === 0
    ? message
    : details.map((one) => `${paramOf(one.field) ?? "it"} ${one.message}`).join("; ");

/** `/messages/0/content` as `messages[0].content`; null for the whole body. */
function paramOf(field: string): string | null {
  if (field === "/") return null;
  if (!field.startsWith("/")) return field;
  return field
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : `${path}.${part}`));
}
