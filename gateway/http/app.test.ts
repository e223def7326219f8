import { describe, expect, test } from "bun:test";

import { createFakeGateway } from "../../test/support/gateway-world.ts";

describe("routes", () => {
  test("that do not exist, or not for a method, say so", async () => {
    const { call } = createFakeGateway();

    expect((await call("GET", "/nope")).status).toBe(404);
    const wrongMethod = await call("GET", "/generate");
    expect(wrongMethod.status).toBe(405);
    expect(wrongMethod.headers.get("allow")).toBe("POST");
  });

  test("are described by an OpenAPI document made from the schemas that check them", async () => {
    const { call } = createFakeGateway();

    const document = (await (await call("GET", "/openapi.json")).json()) as {
      paths: Record<string, { post?: { requestBody?: unknown } }>;
    };

    expect(Object.keys(document.paths)).toContain("/status/{id}");
    expect(JSON.stringify(document.paths["/generate"]?.post?.requestBody)).toContain("max_tokens");
    expect((await call("GET", "/docs")).status).toBe(200);
  });
});
