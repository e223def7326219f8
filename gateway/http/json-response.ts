import { writeJson } from "../../core/json/json-text.ts";

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
  return new Response(`${writeJson(value)}\n`, {
    status,
    headers: { "content-type": "application/json;charset=utf-8", ...headers },
  });
}
