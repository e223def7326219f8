interface ResponseSettings {
  status?: number;
  headers?: Readonly<Record<string, string>>;
}

/**
 * A value as a JSON reply. It ends with a newline, so that a terminal's prompt does not stand behind what
 * curl prints.
 */
export function jsonResponse(
  value: unknown,
  { status = 200, headers }: ResponseSettings = {},
): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { "content-type": "application/json;charset=utf-8", ...headers },
  });
}
