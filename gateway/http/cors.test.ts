import { describe, expect, test } from "bun:test";

import { createFakeGateway } from "../../test/support/gateway-world.ts";

const ORIGIN = "https://chat.example.com";
const LISTED = { cors_origins: [ORIGIN] };
const ask = {
  origin: ORIGIN,
  "access-control-request-method": "POST",
  "access-control-request-headers": "authorization, Content-Type, x-stainless-os, x-evil",
};

describe("a page of an allowed origin", () => {
  test("is told what it may call with, without a key", async () => {
    const { call } = createFakeGateway({}, LISTED);

    const response = await call("OPTIONS", "/generate", {
      headers: { ...ask, authorization: "" },
    });

    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "access-control-allow-origin": ORIGIN,
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "authorization, content-type, x-stainless-os",
      "access-control-max-age": "7200",
      vary: "Origin",
    });
    expect(response.headers.has("access-control-allow-credentials")).toBe(false);
  });

  test.each([
    ["POST", "/generate", { body: { prompt: "x" } }, 202],
    ["POST", "/generate", { raw: "{" }, 400],
    ["GET", "/status/none", {}, 404],
    ["GET", "/nowhere", {}, 404],
  ])("can read the response to %s %s %j", async (method, path, init, status) => {
    const { call } = createFakeGateway({}, LISTED);

    const response = await call(method, path, { ...init, headers: { origin: ORIGIN } });

    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(response.headers.get("access-control-expose-headers")).toContain("x-request-id");
    expect(response.headers.get("vary")).toBe("Origin");
  });

  test("is any, where all may call", async () => {
    const { call } = createFakeGateway({}, { cors_origins: "*" });

    const response = await call("OPTIONS", "/status/1", {
      headers: { ...ask, "access-control-request-method": "GET" },
    });

    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("access-control-allow-methods")).toBe("GET");
  });
});

describe("a page of another origin", () => {
  test.each([
    ["where none may call", {}],
    ["where others may", { cors_origins: ["https://other.example.com"] }],
  ])("gets no leave, %s", async (_name, config) => {
    const { call } = createFakeGateway({}, config);

    const question = await call("OPTIONS", "/generate", { headers: ask });
    const answer = await call("GET", "/quota", { headers: { origin: ORIGIN } });

    expect([question.status, answer.status]).toEqual([405, 200]);
    for (const { headers } of [question, answer])
      expect(headers.has("access-control-allow-origin")).toBe(false);
  });
});

test("a path without a route has no leave to give", async () => {
  const { call } = createFakeGateway({}, LISTED);

  expect((await call("OPTIONS", "/nowhere", { headers: ask })).status).toBe(404);
});
