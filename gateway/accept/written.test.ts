import { describe, expect, test } from "bun:test";

import { createFakeGateway, problemOf } from "../../test/support/gateway-world.ts";

const post = (text: string, more: Record<string, string> = {}) => ({
  raw: text,
  headers: { "content-type": "application/json", ...more },
});

const CHAT = `{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a"}]},
  {"role":"tool","tool_call_id":"a","content":""},{"role":"user","content":[{"type":"text","text":"hi"}]}],
  "tools":[{"type":"function","function":{"name":"f","parameters":{"2":1.0,"1":12345678901234567890}}}],
  "parameters":{"seed":9007199254740993},"metadata":{"id":9007199254740993}}`;

describe("what a caller wrote", () => {
  test("is sealed as it was written: every role, tools, numbers and their order", async () => {
    const { call, rows } = createFakeGateway();

    const response = await call("POST", "/generate", post(CHAT));

    expect(response.status).toBe(202);
    const sealed = new TextDecoder().decode(rows[0]?.prompt);
    expect(sealed).toContain(`"parameters":{"2":1.0,"1":12345678901234567890}`);
    expect(sealed).toContain(`"seed":9007199254740993`);
    expect(sealed).toContain(`{"role":"tool","tool_call_id":"a","content":""}`);
    expect(new TextDecoder().decode(rows[0]?.metadata ?? undefined)).toBe(
      `{"id":9007199254740993}`,
    );
  });

  test("is another body under an idempotency key when only a number's last digit differs", async () => {
    const { call } = createFakeGateway();
    const key = { "idempotency-key": "k" };
    const body = (seed: string) => post(`{"prompt":"a","parameters":{"seed":${seed}}}`, key);

    const statuses = [];
    for (const seed of ["9007199254740993", "9007199254740993", "9007199254740992"])
      statuses.push((await call("POST", "/generate", body(seed))).status);

    expect(statuses).toEqual([202, 202, 422]);
  });

  test.each([
    [`{"prompt":"a","prompt":"b"}`, "/prompt"],
    [`{"prompt":"a","parameters":{"seed":1,"seed":2}}`, "/parameters/seed"],
    [`{"prompt":"a","parameters":{"tools":[]},"tools":[]}`, "/parameters/tools"],
    [String.raw`{"messages":[{"role":"user","content":"a","name":"\u0000"}]}`, "/messages/0/name"],
    [String.raw`{"prompt":"a","parameters":{"stop":["\ud800"]}}`, "/stop/0"],
  ])("%s is refused, because two readers could read it in two ways", async (text, field) => {
    const { call } = createFakeGateway();

    const problem = await problemOf(await call("POST", "/generate", post(text)));

    expect(problem).toMatchObject({ status: 422, errors: [{ field }] });
  });
});
