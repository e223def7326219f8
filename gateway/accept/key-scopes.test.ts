import { expect, test } from "bun:test";

import { createFakeGateway } from "../../test/support/gateway-world.ts";

const BODY = { body: { prompt: "hello", model: "small" } };
const codeOf = (problem: unknown) => (problem as { code: string }).code;
const ID = "00000000-0000-7000-8000-000000000001";

test("a key for some routes is refused on all others, before anything is done", async () => {
  const { call, rows, admitted } = createFakeGateway({}, {}, { routes: ["read"] });

  const refused = [
    await call("POST", "/generate", BODY),
    await call("POST", "/v1/chat/completions", {
      body: { model: "small", messages: [{ role: "user", content: "hello" }] },
    }),
    await call("POST", `/requests/${ID}/cancel`),
  ];
  const read = [await call("GET", "/requests"), await call("GET", "/quota")];

  const codes = await Promise.all(refused.map(async (response) => codeOf(await response.json())));
  expect(refused.map(({ status }) => status)).toEqual([403, 403, 403]);
  expect(codes).toEqual(["KEY_SCOPE", "KEY_SCOPE", "KEY_SCOPE"]);
  expect(read.map(({ status }) => status)).toEqual([200, 200]);
  expect([rows, admitted]).toEqual([[], []]);
});

test("a key for submitting alone reads nothing", async () => {
  const { call } = createFakeGateway({}, {}, { routes: ["submit"] });

  const accepted = await call("POST", "/generate", BODY);
  const paths = ["/requests", "/quota", "/usage", "/v1/models", `/status/${ID}`];
  const refused = await Promise.all(
    [...paths, `/status/${ID}/events`].map((path) => call("GET", path)),
  );

  expect(accepted.status).toBe(202);
  expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
});

test("a key for some models makes requests of no other, also by default, and sees no other", async () => {
  const other = createFakeGateway({}, {}, { models: ["other"] });
  const own = createFakeGateway({}, {}, { models: ["small"] });

  const refused = [
    await other.call("POST", "/generate", BODY),
    await other.call("POST", "/generate", { body: { prompt: "hello" } }),
    await other.call("POST", "/quota/explain", BODY),
  ];
  const accepted = await own.call("POST", "/generate", BODY);
  const listed = await (await own.call("GET", "/v1/models")).json();
  const hidden = await other.call("GET", "/v1/models/small");

  expect(refused.map(({ status }) => status)).toEqual([403, 403, 403]);
  expect(other.admitted).toEqual([]);
  expect(accepted.status).toBe(202);
  expect(listed).toMatchObject({ data: [{ id: "small" }] });
  expect(hidden.status).toBe(404);
});
