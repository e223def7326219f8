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

  test("are described with every parameter and its bounds", async () => {
    const { call } = createFakeGateway();

    const { paths } = (await (await call("GET", "/openapi.json")).json()) as {
      paths: Record<string, { get?: { parameters?: { name: string; schema: unknown }[] } }>;
    };
    const schemasOf = (path: string) =>
      Object.fromEntries(
        paths[path]?.get?.parameters?.map(({ name, schema }) => [name, schema]) ?? [],
      );

    expect(schemasOf("/status/{id}")).toEqual({
      id: { type: "string", format: "uuid" },
      wait: { type: "integer", minimum: 0, maximum: 50 },
      Prefer: { type: "string", pattern: "^wait=[0-9]{1,6}$" },
    });
    expect(schemasOf("/requests")).toMatchObject({
      limit: { type: "integer", minimum: 1, maximum: 100 },
      status: { enum: expect.arrayContaining(["queued", "expired"]) },
    });
    expect(schemasOf("/usage")).toMatchObject({ by: { enum: ["day", "model"] } });
  });
});
