import { describe, expect, test } from "bun:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

import { readJson } from "./body.ts";

const BYTES_MAX = 2_000;
const JSON_TYPE = { "content-type": "application/json" };

const read = (
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  headers: Record<string, string> = {},
) =>
  readJson(
    new Request("http://localhost/", {
      method: "POST",
      headers: { ...JSON_TYPE, ...headers },
      body,
    }),
    BYTES_MAX,
  );

/** What is thrown; undefined: nothing. */
const refusalOf = (...call: Parameters<typeof read>): Promise<unknown> =>
  read(...call).then(
    () => undefined,
    (fault: unknown) => fault,
  );

describe("the bytes of a body", () => {
  test("that are not UTF-8 are refused, not replaced", async () => {
    const latin1 = Buffer.from('{"prompt":"caf\xe9"}', "latin1");

    expect(await refusalOf(latin1)).toMatchObject({
      code: "BODY_NOT_JSON",
      message: "the body has bytes that are not UTF-8",
    });
  });

  test("may begin with a byte order mark", async () => {
    expect((await read('\ufeff{"a":1}')).value).toEqual({ a: 1 });
  });

  test.each([
    "application/json; charset=utf-8",
    'Application/JSON;charset="UTF-8"',
    "application/json",
  ])("are taken as %s", async (contentType) => {
    expect((await read('{"a":1}', { "content-type": contentType })).value).toEqual({ a: 1 });
  });

  test.each(["application/json; charset=iso-8859-1", 'application/json;charset="utf-16"'])(
    "are refused as %s",
    async (contentType) => {
      expect(await refusalOf("{}", { "content-type": contentType })).toMatchObject({
        code: "CONTENT_TYPE_UNSUPPORTED",
      });
    },
  );

  test("are read no further than the bound when their number is not announced", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 1_000;
        controller.enqueue(new Uint8Array(1_000));
      },
    });

    expect(await refusalOf(endless)).toMatchObject({ code: "BODY_TOO_LARGE" });
    expect(sent).toBeLessThan(BYTES_MAX + 5_000);
  });
});

describe("an encoded body", () => {
  const json = '{"prompt":"hello"}';

  test.each([
    ["gzip", gzipSync(json)],
    ["X-GZIP", gzipSync(json)],
    ["deflate", deflateSync(json)],
    ["br", brotliCompressSync(json)],
    ["identity", Buffer.from(json)],
  ])("in %s is decoded", async (encoding, body) => {
    const { value, bytes } = await read(body, { "content-encoding": encoding });

    expect({ value, bytes }).toEqual({ value: { prompt: "hello" }, bytes: json.length });
  });

  test.each([
    ["gzip", gzipSync(Buffer.alloc(50_000_000)).subarray(0, BYTES_MAX)],
    ["br", brotliCompressSync(Buffer.alloc(50_000_000))],
  ])("that swells beyond the bound is given up there: %s", async (encoding, bomb) => {
    const before = process.memoryUsage().rss;

    const refusal = await refusalOf(bomb, { "content-encoding": encoding });

    expect(refusal).toMatchObject({ code: "BODY_TOO_LARGE" });
    expect(process.memoryUsage().rss - before).toBeLessThan(30_000_000);
  });

  test.each([
    ["gzip", Buffer.from(json)],
    ["br", Buffer.from(json)],
    ["gzip", gzipSync(json).subarray(0, 20)],
  ])("that is not what it claims, %s, is refused in plain words", async (encoding, body) => {
    expect(await refusalOf(body, { "content-encoding": encoding })).toMatchObject({
      code: "BODY_NOT_JSON",
      message: expect.stringContaining(`but the body is not ${encoding} or is cut off`),
    });
  });

  test.each(["zstd", "gzip, gzip", "constructor"])(
    "in %s is refused, with what would be taken",
    async (encoding) => {
      expect(await refusalOf(json, { "content-encoding": encoding })).toMatchObject({
        code: "CONTENT_ENCODING_UNSUPPORTED",
        headers: { "accept-encoding": "gzip, deflate, br" },
      });
    },
  );
});

test("a member that is there twice is refused by its place, wherever it is", async () => {
  const body = '{"prompt":"a","metadata":{"order":1,"order":2}}';

  expect(await refusalOf(body)).toMatchObject({
    code: "BODY_INVALID",
    details: [{ field: "/metadata/order", message: "is there twice" }],
  });
});
