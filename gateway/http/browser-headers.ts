import type { Handle } from "./front.ts";

/** A year, in seconds. */
const HSTS = "max-age=31536000";

/**
 * What a response tells browsers, should one ever show it: take the content type as it is, show it in no
 * frame, and where the port speaks TLS, never speak plain text to its name
 * (https://owasp.org/www-project-secure-headers/).
 */
export function withBrowserHeaders(handle: Handle, isEncrypted: boolean): Handle {
  const secure = (response: Response): Response => {
    const { headers } = response;
    headers.set("x-content-type-options", "nosniff");
    if (isEncrypted) headers.set("strict-transport-security", HSTS);
    const isPage = headers.get("content-type")?.startsWith("text/html") === true;
    if (isPage) headers.set("content-security-policy", PAGE_POLICY);
    return response;
  };
  return (request) => {
    const response = handle(request);
    return response instanceof Promise ? response.then(secure) : secure(response);
  };
}

/** The one page there is, /docs, has its script and its style within it, and loads the rest from here. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
