/** `gateway.cors_origins`: the origins whose pages may call, `*` for all of them. */
export type Origins = "*" | readonly string[];

/** Browsers ask again after this; Chromium caps it at two hours. */
const MAX_AGE_SECONDS = 7_200;

/** Headers that a page may send, besides `x-stainless-*` of OpenAI's SDKs. */
const REQUEST_HEADERS: ReadonlySet<string> = new Set([
  "accept",
  "authorization",
  "content-encoding",
  "content-type",
  "idempotency-key",
  "last-event-id",
  "openai-beta",
  "openai-organization",
  "openai-project",
  "prefer",
  "user-agent",
  "x-api-key",
]);

/** Headers that a page may read. */
const RESPONSE_HEADERS = [
  "accept-encoding",
  "allow",
  "idempotency-replayed",
  "location",
  "preference-applied",
  "ratelimit",
  "ratelimit-policy",
  "retry-after",
  "www-authenticate",
  ...["limit", "remaining", "reset"].flatMap((what) => [
    `x-ratelimit-${what}-requests`,
    `x-ratelimit-${what}-tokens`,
  ]),
  "x-request-id",
  "x-should-retry",
].join(", ");

function isAllowed(origin: string | null, origins: Origins): origin is string {
  return origin !== null && (origins === "*" || origins.includes(origin.toLowerCase()));
}

/**
 * The answer to a browser that asks before it calls (Fetch standard, CORS preflight); undefined: the call is
 * no such question, or one of an origin that may not call. `methods` are those of its path.
 */
export function preflightResponse(
  request: Request,
  methods: readonly string[],
  origins: Origins,
): Response | undefined {
  const { headers } = request;
  const isPreflight = request.method === "OPTIONS" && headers.has("access-control-request-method");
  if (!isPreflight || methods.length === 0 || !isAllowed(headers.get("origin"), origins))
    return undefined;
  const wanted = (headers.get("access-control-request-headers") ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => REQUEST_HEADERS.has(name) || name.startsWith("x-stainless-"));
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": methods.join(", "),
      ...(wanted.length === 0 ? {} : { "access-control-allow-headers": wanted.join(", ") }),
      "access-control-max-age": String(MAX_AGE_SECONDS),
    },
  });
}

/**
 * Lets the page of an allowed origin read a response; changes its headers in place. Never with credentials:
 * keys come in headers, so no cookie of a browser is worth anything here.
 */
export function allowOrigin(response: Response, origin: string | null, origins: Origins): Response {
  const { headers } = response;
  // Caches must not give the answer to one origin to another.
  if (origins !== "*") headers.append("vary", "Origin");
  if (!isAllowed(origin, origins)) return response;
  headers.set("access-control-allow-origin", origins === "*" ? "*" : origin);
  headers.set("access-control-expose-headers", RESPONSE_HEADERS);
  return response;
}
