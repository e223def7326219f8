import { afterAll, describe, expect, test } from "bun:test";
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

describe("a hostile or broken ML service", () => {
  test.each<[number, Record<string, string>, UpstreamFaultCode, number | null]>([
    [500, {}, "UPSTREAM_FAILED", null],
    [502, {}, "UPSTREAM_FAILED", null],
    [503, {}, "UPSTREAM_FAILED", null],
    [503, { "retry-after": "7" }, "UPSTREAM_BUSY", 7_000],
    [429, {}, "UPSTREAM_BUSY", null],
    [429, { "retry-after": "2" }, "UPSTREAM_BUSY", 2_000],
    [429, { "retry-after": "soon" }, "UPSTREAM_BUSY", null],
    [408, {}, "UPSTREAM_TIMEOUT", null],
    [504, {}, "UPSTREAM_TIMEOUT", null],
    [400, {}, "UPSTREAM_REJECTED", null],
    [401, {}, "UPSTREAM_REJECTED", null],
    [404, {}, "UPSTREAM_REJECTED", null],
  ])("status %d with %j", async (status, headers, code, retryAfterMs) => {
    const outcome = await ml.infer(() => new Response("their words", { status, headers }));

    expect(outcome).toEqual({
      ok: false,
      code,
      retryAfterMs,
      message: `the ML service replied with status ${status}`,
    });
  });

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
      code: "UPSTREAM_UNREACHABLE",
      message: "the connection failed: ECONNRESET",
    });
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
