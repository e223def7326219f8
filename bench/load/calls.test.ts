import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { generateCalls, readRawCalls, writeCalls } from "./calls.ts";

test("a raw call is what goes over the wire, with the length of its body in bytes", () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-calls-"));
  const users = [{ apiKey: "one" }, { apiKey: "two" }];
  const calls = generateCalls(users, [{ prompt: "héllo" }]);

  const { raw } = writeCalls(calls, "http://127.0.0.1:8080", join(folder, "calls"));
  const read = readRawCalls(readFileSync(raw)).map(String);
  rmSync(folder, { recursive: true });

  expect(read).toHaveLength(2);
  expect(read[1]).toBe(
    [
      "POST /generate HTTP/1.1",
      "host: 127.0.0.1:8080",
      "authorization: Bearer two",
      "content-type: application/json",
      "content-length: 19",
      "",
      '{"prompt":"héllo"}',
    ].join("\r\n"),
  );
});
