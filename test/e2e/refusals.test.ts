import { expect } from "bun:test";

import type { FaultCode } from "../../core/faults.ts";
import type { Api, Problem, Reply } from "../../history/api.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { generateApiKey } from "../../adapters/crypto/key-hash.ts";

const test = testsOnStack();

/** Everything that a refused call must leave as it was. */
async function traces(stack: TestStack): Promise<unknown> {
  const { requests } = await stack.books.audit();
  return { rows: requests?.accepted, holds: await stack.books.holds() };
}

async function expectRefusal(
  stack: TestStack,
  { status, code }: { status: number; code: FaultCode },
  send: () => Promise<Reply<Partial<Problem>>>,
): Promise<Reply<Partial<Problem>>> {
  const before = await traces(stack);

  const reply = await send();

  expect({ status: reply.status, code: reply.body.code ?? null }).toEqual({ status, code });
  expect(reply.headers.get("content-type")).toContain("application/problem+json");
  expect(reply.body.detail?.length).toBeGreaterThan(10);
  expect(JSON.stringify(reply.body)).not.toMatch(/127\.0\.0\.1|postgres|redis|amqp|\.ts:/i);
  expect(await traces(stack)).toEqual(before);
  return reply;
}

const rawJson = (api: Api, body: string, contentType = "application/json") =>
  api.call<Problem>("/generate", {
    method: "POST",
    headers: { "content-type": contentType },
    body,
  });

interface BadBody {
  name: string;
  status: number;
  code: FaultCode;
  body: string;
  /** The field that the problem names. */
  field?: string;
  contentType?: string;
}

const BAD_BODIES: readonly BadBody[] = [
  { name: "a body that is not JSON", status: 400, code: "BODY_NOT_JSON", body: "{prompt:" },
  { name: "an empty body", status: 400, code: "BODY_NOT_JSON", body: "" },
  {
    name: "a body that is a list",
    status: 422,
    code: "BODY_INVALID",
    body: "[]",
    field: "/",
  },
  {
    name: "a prompt of the wrong type",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":7}',
    field: "/prompt",
  },
  {
    name: "an unknown field",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","max_token":5}',
    field: "/max_token",
  },
  {
    name: "an empty prompt",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":""}',
    field: "/prompt",
  },
  {
    name: "no prompt at all",
    status: 422,
    code: "BODY_INVALID",
    body: "{}",
    field: "/prompt",
  },
  {
    name: "a prompt and messages",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","messages":[{"role":"user","content":"b"}]}',
    field: "/messages",
  },
  {
    name: "a chat without messages",
    status: 422,
    code: "BODY_INVALID",
    body: '{"messages":[]}',
    field: "/messages",
  },
  {
    name: "negative max_tokens",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","max_tokens":-1}',
    field: "/max_tokens",
  },
  {
    name: "an unknown priority",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","priority":"urgent"}',
    field: "/priority",
  },
  {
    name: "a priority above the tier's",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","priority":"high"}',
    field: "/priority",
  },
  {
    name: "a deadline in the past",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","deadline":"2020-01-01T00:00:00Z"}',
    field: "/deadline",
  },
  {
    name: "a deadline without a zone",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","deadline":"2999-01-01T00:00:00"}',
    field: "/deadline",
  },
  {
    name: "huge max_tokens",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","max_tokens":1000000000}',
    field: "/max_tokens",
  },
  {
    name: "max_tokens beyond every integer",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","max_tokens":1e300}',
    field: "/max_tokens",
  },
  {
    name: "a huge n",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a","n":1000000}',
    field: "/n",
  },
  {
    name: "NUL in the prompt",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a\\u0000b"}',
    field: "/prompt",
  },
  {
    name: "a lone surrogate in the prompt",
    status: 422,
    code: "BODY_INVALID",
    body: '{"prompt":"a\\ud800b"}',
    field: "/prompt",
  },
  {
    name: "a wrong content type",
    status: 415,
    code: "CONTENT_TYPE_UNSUPPORTED",
    body: '{"prompt":"a"}',
    contentType: "text/plain",
  },
  {
    name: "an unknown model",
    status: 422,
    code: "MODEL_UNKNOWN",
    body: '{"prompt":"a","model":"gpt-99"}',
  },
  {
    name: "a prompt over the limit",
    status: 422,
    code: "PROMPT_TOO_LONG",
    body: JSON.stringify({ prompt: "word ".repeat(110_000) }),
  },
  {
    name: "a prompt of too many tokens",
    status: 422,
    code: "PROMPT_TOO_LONG",
    body: JSON.stringify({ prompt: "word ".repeat(40_000) }),
  },
  {
    name: "a body over the limit",
    status: 413,
    code: "BODY_TOO_LARGE",
    body: JSON.stringify({ prompt: "a".repeat(1_100_000) }),
  },
];

for (const { name, status, code, body, field, contentType } of BAD_BODIES)
  test(`${name} is ${status}, takes no hold and writes no row`, async (stack) => {
    const api = stack.api(await stack.addUser());

    const reply = await expectRefusal(stack, { status, code }, () =>
      rawJson(api, body, contentType),
    );

    if (field !== undefined)
      expect(reply.body.errors?.map((error) => error.field)).toContain(field);
  });

const BAD_KEYS: readonly { name: string; code: FaultCode; headers: Record<string, string> }[] = [
  { name: "no key", code: "KEY_MISSING", headers: {} },
  { name: "a key of another scheme", code: "KEY_MALFORMED", headers: { authorization: "Basic x" } },
  {
    name: "a malformed key",
    code: "KEY_MALFORMED",
    headers: { authorization: "Bearer tg_live_short" },
  },
  {
    name: "an unknown key",
    code: "KEY_UNKNOWN",
    headers: { authorization: `Bearer ${generateApiKey()}` },
  },
];

for (const { name, code, headers } of BAD_KEYS)
  test(`${name} is 401, takes no hold and writes no row`, async (stack) => {
    await expectRefusal(stack, { status: 401, code }, () =>
      stack.api(null).call("/generate", {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: '{"prompt":"a"}',
      }),
    );
  });

test("the key of an inactive user is 401", async (stack) => {
  const user = await stack.addUser({ active: false });

  await expectRefusal(stack, { status: 401, code: "USER_INACTIVE" }, () =>
    stack.api(user).post({ prompt: "a" }),
  );
});

test("an id that is no UUID is 404", async (stack) => {
  const api = stack.api(await stack.addUser());

  await expectRefusal(stack, { status: 404, code: "REQUEST_UNKNOWN" }, () =>
    api.call("/status/not-a-uuid"),
  );
});

test("another user's id looks exactly like one that does not exist", async (stack) => {
  const owner = stack.api(await stack.addUser());
  const other = stack.api(await stack.addUser());
  const { request_id: requestId } = await owner.generate({ prompt: "mine" });
  await owner.untilEnded(requestId);
  const unknownId = requestId.replace(/.{4}$/, (end) => (end === "0000" ? "0001" : "0000"));

  const theirs = await expectRefusal(stack, { status: 404, code: "REQUEST_UNKNOWN" }, () =>
    other.call(`/status/${requestId}`),
  );
  const unknown = await other.call<Problem>(`/status/${unknownId}`);

  const withoutId = ({ body }: Reply<Partial<Problem>>): string =>
    JSON.stringify(body).replaceAll(requestId, "ID").replaceAll(unknownId, "ID");
  expect(withoutId(theirs)).toBe(withoutId(unknown));
  expect((await owner.status(requestId)).status).toBe("completed");
});

test("a request over the token quota is 429 and says when it fits", async (stack) => {
  const user = await stack.addUser({ daily: { tokens: 150 } });
  const api = stack.api(user);
  await stack.simulator.set({ ttft_ms: 500 });
  const first = await api.generate({ prompt: "one", max_tokens: 100 });

  const refused = await api.post({ prompt: "two", max_tokens: 100 });

  await stack.simulator.set({ ttft_ms: 0 });
  expect(refused.status).toBe(429);
  expect(refused.body.code).toBe("QUOTA_EXCEEDED");
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  await api.untilEnded(first.request_id);
});

test("a request larger than a whole window is told that waiting does not help", async (stack) => {
  const api = stack.api(await stack.addUser({ monthly: { tokens: 50 } }));

  const reply = await expectRefusal(stack, { status: 429, code: "QUOTA_NEVER_FITS" }, () =>
    api.post({ prompt: "big", max_tokens: 100 }),
  );

  expect(reply.headers.get("retry-after")).toBeNull();
});

test("requests beyond the cap on open ones are 429 until one has ended", async (stack) => {
  const api = stack.api(await stack.addUser({ concurrentRequests: 1 }));
  await stack.simulator.set({ ttft_ms: 500 });
  const first = await api.generate({ prompt: "one" });

  const refused = await api.post({ prompt: "two" });

  await stack.simulator.set({ ttft_ms: 0 });
  expect({ status: refused.status, code: refused.body.code ?? null }).toEqual({
    status: 429,
    code: "CONCURRENCY_EXCEEDED",
  });
  await api.untilEnded(first.request_id);
  await stack.books.untilQuiet();
  expect((await api.post({ prompt: "two" })).status).toBe(202);
  await stack.books.untilQuiet();
});
