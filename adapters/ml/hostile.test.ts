import { afterAll, describe, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { gzipSync } from "node:zlib";

import type { UpstreamFaultCode } from "../../core/attempt/outcome.ts";
import { codeOf, startMlServer } from "../../test/support/ml-server.ts";

const ml = startMlServer();
afterAll(() => ml.stop());

/** A body that begins and then goes on as `more` says. */
function streamed(
  first: string,
  more: (controller: ReadableStreamDefaultController) => void | Promise<void>,
): Response {
  let isFirst = true;
  return new Response(
    new ReadableStream({
      async pull(controller) {
        if (isFirst) controller.enqueue(new TextEncoder().encode(first));
        else await more(controller);
        isFirst = false;
      },
    }),
  );
}

const CHAT_REPLY = JSON.stringify({ choices: [{ message: { content: "Because." } }] });

interface RawCall {
  /** Of all calls and of those on its connection, from 1 on. */
  nth: number;
  ofConnection: number;
}

/** A service below HTTP's manners: replies to a request, or closes its connection without a byte. */
async function startRawService(act: (call: RawCall) => "reply" | "close") {
  let calls = 0;
  const server = createServer((socket) => {
    let ofConnection = 0;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      // A body may come apart from its head.
      if (!bytes.toString().startsWith("POST")) return;
      calls += 1;
      ofConnection += 1;
      if (act({ nth: calls, ofConnection }) === "close") socket.destroy();
      else
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-length: ${CHAT_REPLY.length}\r\n\r\n${CHAT_REPLY}`,
        );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    calls: () => calls,
    stop: () => server.close(),
  };
}

describe("a hostile or broken ML service", () => {
  test.each<[number, Record<string, string>, UpstreamFaultCode, number | null]>([
    [500, {}, "UPSTREAM_FAILED", null],
    [502, {}, "UPSTREAM_UNAVAILABLE", null],
    [503, {}, "UPSTREAM_UNAVAILABLE", null],
    [503, { "retry-after": "7" }, "UPSTREAM_BUSY", 7_000],
    [429, {}, "UPSTREAM_BUSY", null],
    [429, { "retry-after": "2" }, "UPSTREAM_BUSY", 2_000],
    [429, { "retry-after": "soon" }, "UPSTREAM_BUSY", null],
    [408, {}, "UPSTREAM_TIMEOUT", null],
    [504, {}, "UPSTREAM_TIMEOUT", null],
    [400, {}, "UPSTREAM_REJECTED", null],
    [422, {}, "UPSTREAM_REJECTED", null],
  ])("status %d with %j", async (status, headers, code, retryAfterMs) => {
    const outcome = await ml.infer(() => new Response("their words", { status, headers }));

    expect(outcome).toEqual({
      ok: false,
      code,
      retryAfterMs,
      message: `the ML service replied with status ${status}`,
      upstream: { status, message: "their words" },
    });
  });

  test.each([
    [401, "credential"],
    [402, "paid"],
    [403, "credential"],
    [404, "model"],
    [407, "proxy"],
  ])(
    "status %d is about us, not about the request, whatever a mapping says",
    async (status, word) => {
      const mapping = { request: "{}", text: "text", retryable: "false" };

      const outcome = await ml.infer(() => new Response("their words", { status }), {
        protocol: "json",
        mapping,
      });

      expect(outcome).toMatchObject({ code: "UPSTREAM_REFUSED" });
      expect(outcome).toHaveProperty("message", expect.stringContaining(word));
    },
  );

  test.each([
    ["truncated", '{"choices":[{"message":{"content":"Bec'],
    ["HTML", "<html>hello</html>"],
    ["empty", ""],
    ["null", "null"],
    ["a number", "7"],
    ["no choices", '{"choices":[]}'],
    ["wrong types", '{"choices":[{"message":{"content":7}}]}'],
    ["no message", '{"choices":[{}]}'],
    ["very deep", "[".repeat(90_000)],
  ])("a body that is %s", async (_name, body) => {
    expect(codeOf(await ml.infer(() => new Response(body)))).toBe("UPSTREAM_REPLY_INVALID");
  });

  test("that drips its body is left when the time is over", async () => {
    const drip = () =>
      streamed("{", async (controller) => {
        await Bun.sleep(20);
        controller.enqueue(new Uint8Array([32]));
      });

    expect(codeOf(await ml.infer(drip, { timeout_ms: 200 }))).toBe("UPSTREAM_TIMEOUT");
  });

  test("whose body is 200 MB is cut off at the bound", async () => {
    let sentBytes = 0;
    const chunk = new Uint8Array(65_536).fill(97);
    const endless = () =>
      streamed('{"choices":"', (controller) => {
        sentBytes += chunk.byteLength;
        if (sentBytes > 200_000_000) controller.close();
        else controller.enqueue(chunk);
      });

    expect(codeOf(await ml.infer(endless))).toBe("UPSTREAM_REPLY_TOO_LARGE");
    expect(sentBytes).toBeLessThan(50_000_000);
  });

  test("whose body declares more than the bound is not read", async () => {
    const long = () => new Response("a".repeat(100_001));

    expect(codeOf(await ml.infer(long))).toBe("UPSTREAM_REPLY_TOO_LARGE");
  });

  test("that replies with a compressed bomb is cut off at the bound", async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000, 97));
    const reply = () => new Response(bomb, { headers: { "content-encoding": "gzip" } });

    expect(codeOf(await ml.infer(reply))).toBe("UPSTREAM_REPLY_TOO_LARGE");
  });

  test("that breaks the connection in the middle of the body", async () => {
    const broken = () => streamed("{", (controller) => controller.error(null));

    const outcome = await ml.infer(broken);

    expect(outcome).toMatchObject({
      code: "UPSTREAM_FAILED",
      message: "the connection was cut: ECONNRESET",
    });
  });

  test("that closes kept connections while they are idle costs no call", async () => {
    const service = await startRawService((call) => (call.ofConnection === 1 ? "reply" : "close"));
    await ml.infer(() => new Response(), { url: service.url });

    const outcomes = [];
    for (let i = 0; i < 4; i += 1)
      outcomes.push(codeOf(await ml.infer(() => new Response(), { url: service.url })));

    expect(outcomes).toEqual(["ok", "ok", "ok", "ok"]);
    service.stop();
  });

  test("that closes every connection fails the call after one more try", async () => {
    const service = await startRawService(({ nth }) => (nth === 1 ? "reply" : "close"));
    await ml.infer(() => new Response(), { url: service.url });

    const outcome = codeOf(await ml.infer(() => new Response(), { url: service.url }));

    expect([outcome, service.calls()]).toEqual(["UPSTREAM_FAILED", 3]);
    service.stop();
  });

  test("that closes the first connection to it is called once", async () => {
    const service = await startRawService(() => "close");

    const outcome = codeOf(await ml.infer(() => new Response(), { url: service.url }));

    expect([outcome, service.calls()]).toEqual(["UPSTREAM_FAILED", 1]);
    service.stop();
  });

  test("whose name is not known was not reached", async () => {
    const url = "http://nobody.invalid/v1";

    expect(codeOf(await ml.infer(() => new Response(), { url }))).toBe("UPSTREAM_UNREACHABLE");
  });

  test("that is not there", async () => {
    const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const url = `http://127.0.0.1:${gone.port}/`;
    await gone.stop(true);

    expect(codeOf(await ml.infer(() => new Response(), { url }))).toBe("UPSTREAM_UNREACHABLE");
  });

  test("that redirects is not followed", async () => {
    const redirect = () =>
      new Response(null, {
        status: 307,
        headers: { location: `${ml.url}/elsewhere` },
      });

    expect(codeOf(await ml.infer(redirect))).toBe("UPSTREAM_REJECTED");
    expect(ml.seen.map(({ path }) => path)).not.toContain("/v1/elsewhere");
  });
});
