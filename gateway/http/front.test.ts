import { connect } from "node:net";

import { expect, test } from "bun:test";

import { createFakeGateway } from "../../test/support/gateway-world.ts";

/** All that a server answers to these bytes. */
function answerTo(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(2_000, () => reject(new Error("no answer")));
    socket.on("error", reject);
    socket.on("data", (chunk) => (answer += String(chunk)));
    socket.on("close", () => resolve(answer));
    socket.write(bytes);
  });
}

test.each([
  ["HTTP/1.0 without a Host", "GET /quota HTTP/1.0\r\n\r\n"],
  ["an empty Host", "GET /quota HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n"],
  ["a Host of two words", "GET /quota HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n"],
  ["half an IPv6 address", "GET /usage HTTP/1.1\r\nHost: [::\r\nConnection: close\r\n\r\n"],
  ["a port too large", "GET /nope HTTP/1.1\r\nHost: a:99999\r\nConnection: close\r\n\r\n"],
  ["percent signs", "GET /health/live HTTP/1.1\r\nHost: %%%\r\nConnection: close\r\n\r\n"],
])("%s is refused in words, not with a stack", async (_name, bytes) => {
  const { gateway } = createFakeGateway();
  gateway.app.listen({ hostname: "127.0.0.1", port: 0 });

  const answer = await answerTo(gateway.app.server?.port ?? 0, bytes);

  await gateway.app.stop(true);
  expect(answer).toStartWith("HTTP/1.1 400 ");
  expect(answer).toContain('"code":"HOST_INVALID"');
});
