import { expect, test } from "bun:test";

import { answerLength } from "./http-connection.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

test("an answer is complete when as many bytes have come as it announced, or with its head", () => {
  const head = "HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\n";

  expect(answerLength(bytes("HTTP/1.1 202 Acc"))).toBeUndefined();
  expect(answerLength(bytes(`${head}abc`))).toBeUndefined();
  expect(answerLength(bytes(`${head}abcd`))).toBe(head.length + 4);
  expect(answerLength(bytes(`${head}abcdHTTP/1.1`))).toBe(head.length + 4);
  expect(answerLength(bytes("HTTP/1.1 204 No Content\r\n\r\n"))).toBe(27);
});

test("a chunked answer is complete at its last chunk", () => {
  const head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

  expect(answerLength(bytes(`${head}4\r\nabcd\r\n`))).toBeUndefined();
  expect(answerLength(bytes(`${head}4\r\nabcd\r\n0\r\n\r\n`))).toBe(head.length + 14);
});
