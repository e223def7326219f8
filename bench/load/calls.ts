import { writeFileSync } from "node:fs";

/** One HTTP call as every generator sends it. */
export interface Call {
  method: "GET" | "POST";
  path: string;
  headers: Readonly<Record<string, string>>;
  /** null: none. */
  body: string | null;
}

/** The same calls in the forms that the generators read. */
export interface CallFiles {
  /** A JSON array of `Call`, for k6. */
  json: string;
  /** `<bytes>\n<raw HTTP/1.1 request>` one after the other, for wrk and the paced generator. */
  raw: string;
}

/** The call as it goes over the wire. */
export function rawRequest(call: Call, host: string): Buffer {
  const head = [`${call.method} ${call.path} HTTP/1.1`, `host: ${host}`];
  for (const [name, value] of Object.entries(call.headers)) head.push(`${name}: ${value}`);
  if (call.body !== null) head.push(`content-length: ${Buffer.byteLength(call.body)}`);
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${call.body ?? ""}`);
}

/** Writes the calls beside each other as `<stem>.json` and `<stem>.raw`. */
export function writeCalls(calls: readonly Call[], url: string, stem: string): CallFiles {
  const { host } = new URL(url);
  const files = { json: `${stem}.json`, raw: `${stem}.raw` };
  writeFileSync(files.json, JSON.stringify(calls));
  const requests = calls.map((call) => rawRequest(call, host));
  const parts = requests.flatMap((request) => [Buffer.from(`${request.length}\n`), request]);
  writeFileSync(files.raw, Buffer.concat(parts));
  return files;
}

/** Reads a file of raw requests. */
export function readRawCalls(bytes: Buffer): Buffer[] {
  const requests: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const lineEnd = bytes.indexOf("\n", at);
    const size = Number(bytes.subarray(at, lineEnd).toString("latin1"));
    requests.push(bytes.subarray(lineEnd + 1, lineEnd + 1 + size));
    at = lineEnd + 1 + size;
  }
  return requests;
}

/** `POST /generate` of these users with these bodies; as many calls as the longer of the two lists. */
export function generateCalls(
  users: readonly { apiKey: string }[],
  bodies: readonly unknown[],
): Call[] {
  const texts = bodies.map((body) => JSON.stringify(body));
  return Array.from({ length: Math.max(users.length, texts.length) }, (_, index) => ({
    method: "POST",
    path: "/generate",
    headers: {
      authorization: `Bearer ${users[index % users.length]?.apiKey ?? ""}`,
      "content-type": "application/json",
    },
    body: texts[index % texts.length] ?? "",
  }));
}

export function getCall(path: string, apiKey: string): Call {
  return { method: "GET", path, headers: { authorization: `Bearer ${apiKey}` }, body: null };
}
