import { describe, expect, test } from "bun:test";

import { createFakeGateway } from "../../test/support/gateway-world.ts";

describe("the API page", () => {
  test.each(["/docs", "/docs/"])("at %s needs nothing from the internet", async (path) => {
    const { call } = createFakeGateway();

    const page = await (await call("GET", path)).text();

    const loaded = [...page.matchAll(/(?:src|href|"url")[=:]"([^"]*)"/g)].map(([, url]) => url);
    expect(loaded).toEqual([
      "/docs/assets/swagger-ui.css",
      "/docs/assets/swagger-ui-bundle.js",
      "/openapi.json",
    ]);
    expect(page).toContain('"validatorUrl":"none"');
    for (const url of loaded) expect((await call("GET", url ?? "")).status).toBe(200);
  });

  test("serves no file but its own", async () => {
    const { call } = createFakeGateway();

    for (const file of ["package.json", "..%2Fpackage.json", "constructor"])
      expect((await call("GET", `/docs/assets/${file}`)).status).toBe(404);
  });
});
