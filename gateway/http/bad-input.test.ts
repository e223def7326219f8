import { describe, expect, test } from "bun:test";

import { untilIdle } from "../../test/support/clock.ts";
import {
  createFakeGateway,
  problemOf,
  storeDown,
  testConfig,
} from "../../test/support/gateway-world.ts";

describe("a body that is not right", () => {
  const cases: [
    name: string,
    init: { body?: unknown; raw?: string; headers?: Record<string, string> },
    status: number,
    code: string,
    field: string | null,
  ][] = [
    ["not JSON", { raw: "{" }, 400, "BODY_NOT_JSON", null],
    [
      "another media type",
      { body: { prompt: "x" }, headers: { "content-type": "text/plain" } },
      415,
      "CONTENT_TYPE_UNSUPPORTED",
      null,
    ],
    [
      "a form",
      { raw: "prompt=x", headers: { "content-type": "application/x-www-form-urlencoded" } },
      415,
      "CONTENT_TYPE_UNSUPPORTED",
      null,
    ],
    ["too large", { body: { prompt: "x".repeat(3_000) } }, 413, "BODY_TOO_LARGE", null],
    ["not an object", { body: [1] }, 422, "BODY_INVALID", "/"],
    ["a wrong type", { body: { prompt: 5 } }, 422, "BODY_INVALID", "/prompt"],
    ["an unknown field", { body: { prompt: "x", promt: "y" } }, 422, "BODY_INVALID", "/promt"],
    ["an empty prompt", { body: { prompt: "" } }, 422, "BODY_INVALID", "/prompt"],
    ["neither prompt nor messages", { body: {} }, 422, "BODY_INVALID", "/prompt"],
    [
      "both prompt and messages",
      { body: { prompt: "x", messages: [{ role: "user", content: "y" }] } },
      422,
      "BODY_INVALID",
      "/messages",
    ],
    ["no messages", { body: { messages: [] } }, 422, "BODY_INVALID", "/messages"],
    [
      "a prompt with too many bytes",
      { body: { prompt: "é".repeat(600) } },
      422,
      "PROMPT_TOO_LONG",
      null,
    ],
    [
      "a prompt with too many tokens",
      { body: { prompt: "x".repeat(1_001) } },
      422,
      "PROMPT_TOO_LONG",
      null,
    ],
    [
      "a negative max_tokens",
      { body: { prompt: "x", max_tokens: -1 } },
      422,
      "BODY_INVALID",
      "/max_tokens",
    ],
    [
      "a huge max_tokens",
      { body: { prompt: "x", max_tokens: 1e9 } },
      422,
      "BODY_INVALID",
      "/max_tokens",
    ],
    [
      "a number in a string",
      { body: { prompt: "x", max_tokens: "8" } },
      422,
      "BODY_INVALID",
      "/max_tokens",
    ],
    ["too many choices", { body: { prompt: "x", n: 9 } }, 422, "BODY_INVALID", "/n"],
    ["a NUL", { body: { prompt: "a\0b" } }, 422, "BODY_INVALID", "/prompt"],
    ["a lone surrogate", { raw: '{"prompt":"\\ud800"}' }, 422, "BODY_INVALID", "/prompt"],
    [
      "large metadata",
      { body: { prompt: "x", metadata: { a: "y".repeat(200) } } },
      422,
      "BODY_INVALID",
      "/metadata",
    ],
    [
      "deep metadata",
      { raw: `{"prompt":"x","metadata":{"a":${"[".repeat(900)}${"]".repeat(900)}}}` },
      422,
      "BODY_INVALID",
      "/metadata",
    ],
    [
      "a second cap on output",
      { body: { prompt: "x", parameters: { max_completion_tokens: 9 } } },
      422,
      "BODY_INVALID",
      "/parameters/max_completion_tokens",
    ],
    ...["suffix", "echo", "max_new_tokens", "num_predict"].map((name): (typeof cases)[number] => [
      `a parameter that adds tokens nobody counted: ${name}`,
      { body: { prompt: "x", parameters: { [name]: 9 } } },
      422,
      "BODY_INVALID",
      `/parameters/${name}`,
    ]),
    ...[
      "api_base",
      "prompt_logprobs",
      "priority",
      "service_tier",
      "chat_template",
      "ignore_eos",
    ].map((name): (typeof cases)[number] => [
      `a parameter that the model does not allow: ${name}`,
      { body: { prompt: "x", parameters: { temperature: 1, [name]: 1 } } },
      422,
      "BODY_INVALID",
      `/parameters/${name}`,
    ]),
    ["an unknown model", { body: { prompt: "x", model: "nope" } }, 422, "MODEL_UNKNOWN", "/model"],
    [
      "a model that is a property of every object",
      { body: { prompt: "x", model: "constructor" } },
      422,
      "MODEL_UNKNOWN",
      "/model",
    ],
    [
      "a queue_ttl of a year",
      { body: { prompt: "x", queue_ttl: 31_536_000 } },
      422,
      "BODY_INVALID",
      "/queue_ttl",
    ],
  ];

  test.each(cases)(
    "is refused, takes no hold and writes no row: %s",
    async (_name, init, status, code, field) => {
      const { call, admitted, rows } = createFakeGateway(
        {},
        { body_bytes_max: 2_000, prompt_bytes_max: 1_100, metadata_bytes_max: 100 },
      );

      const problem = await problemOf(await call("POST", "/generate", init));

      expect({ status: problem.status, code: problem.code }).toEqual({ status, code });
      if (field !== null) expect(problem.errors?.map((error) => error.field)).toContain(field);
      expect({ admitted, rows }).toEqual({ admitted: [], rows: [] });
    },
  );
});

test("what the queue would refuse for its size is refused, takes no hold and writes no row", async () => {
  const settings = testConfig({ gather_ms: 0 });
  const config = { ...settings, amqp: { ...settings.amqp, message_bytes_max: 400 } };
  const { call, admitted, rows } = createFakeGateway({ config: () => config });

  const refused = await call("POST", "/generate", { body: { prompt: "x".repeat(400) } });
  const accepted = await call("POST", "/generate", { body: { prompt: "x".repeat(200) } });

  expect(await problemOf(refused)).toMatchObject({
    status: 413,
    code: "MESSAGE_TOO_LARGE",
    detail: expect.stringMatching(/^the request has \d+ bytes; the queue takes at most 400$/),
  });
  expect(accepted.status).toBe(202);
  expect([admitted.length, rows.length]).toEqual([1, 1]);
});

describe("a caller without a good key", () => {
  test.each([
    ["no key", { authorization: "" }, "KEY_MALFORMED"],
    ["another scheme", { authorization: "Basic abc" }, "KEY_MALFORMED"],
    ["a mistyped key", { authorization: "Bearer tg_live_nonsense" }, "KEY_MALFORMED"],
  ])("is refused before the body is read: %s", async (_name, headers, code) => {
    const { call } = createFakeGateway({ readStoredKeys: storeDown });

    const response = await call("POST", "/generate", { raw: "{", headers });

    expect(response.status).toBe(401);
    expect((await problemOf(response)).code).toBe(code);
    expect(response.headers.get("www-authenticate")).toContain("Bearer");
  });

  test.each([
    ["an unknown key", undefined, "KEY_UNKNOWN"],
    ["an expired key", { userActive: true, expiresAtMs: 1 }, "KEY_UNKNOWN"],
    ["the key of an inactive user", { userActive: false, expiresAtMs: null }, "USER_INACTIVE"],
  ])("is refused: %s", async (_name, record, code) => {
    const { call } = createFakeGateway({
      readStoredKeys: async () => [
        record === undefined
          ? undefined
          : { keyId: "k", userId: "u", tier: null, models: null, routes: null, ...record },
      ],
    });

    expect((await problemOf(await call("POST", "/generate", { body: { prompt: "x" } }))).code).toBe(
      code,
    );
  });

  test("whose key was just revoked is refused at once", async () => {
    const { call, revokeKey, announceKeyChange } = createFakeGateway();
    await call("POST", "/generate", { body: { prompt: "x" } });

    await revokeKey();
    await announceKeyChange();
    await untilIdle();

    expect((await call("POST", "/generate", { body: { prompt: "x" } })).status).toBe(401);
  });
});

test.each([
  ["the body itself", "/", (members: string) => `{${members}}`],
  ["a member", "/parameters", (members: string) => `{"prompt":"x","parameters":{${members}}}`],
])(
  "%s with fifty thousand members is refused without looking at each",
  async (_, field, bodyOf) => {
    const { call, rows, admitted } = createFakeGateway();
    const members = Array.from({ length: 50_000 }, (_member, index) => `"k${index}":1`).join();

    const refusal = await problemOf(await call("POST", "/generate", { raw: bodyOf(members) }));

    expect(refusal).toMatchObject({
      status: 422,
      errors: [{ field, message: "may have at most 1000 members" }],
    });
    expect([rows, admitted]).toEqual([[], []]);
  },
);

test.each([{}, { "idempotency-key": "order-1" }])(
  "a body nested too deep is refused before it can delay others: headers %j",
  async (headers) => {
    const { call, rows, admitted } = createFakeGateway();
    const depth = 100_000;
    const raw = `{"prompt":"x","metadata":{"a/b":${"[".repeat(depth)}${"]".repeat(depth)}}}`;
    const startedAtMs = performance.now();

    const refusal = await problemOf(await call("POST", "/generate", { raw, headers }));

    expect(refusal).toMatchObject({ status: 422, errors: [{ field: "/metadata" }] });
    // Seconds, where it is written as JSON again.
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
    expect([rows, admitted]).toEqual([[], []]);
  },
);
