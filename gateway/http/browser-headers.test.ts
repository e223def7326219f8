import { expect, test } from "bun:test";

import { createFakeGateway } from "../../test/support/gateway-world.ts";
import { withBrowserHeaders } from "./browser-headers.ts";

test.each(["/quota", "/docs", "/nope", "/health/live", "/openapi.json"])(
  "a response of %s is taken as what it says it is",
  async (path) => {
    const { call } = createFakeGateway();

    expect((await call("GET", path)).headers.get("x-content-type-options")).toBe("nosniff");
  },
);

test("the page of the API may load only what is here, and be shown in no frame", async () => {
  const { call } = createFakeGateway();

  const policy = (await call("GET", "/docs")).headers.get("content-security-policy");

  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/https?:/);
  expect((await call("GET", "/quota")).headers.has("content-security-policy")).toBe(false);
});

test.each([true, false])(
  "a port that is encrypted says so to browsers: %s",
  async (isEncrypted) => {
    const handle = withBrowserHeaders(() => new Response("x"), isEncrypted);

    const { headers } = await handle(new Request("http://localhost/"));

    expect(headers.has("strict-transport-security")).toBe(isEncrypted);
  },
);

test("without its documentation a gateway shows neither the page nor the document", async () => {
  const { call } = createFakeGateway({}, { docs: false });

  for (const path of ["/docs", "/openapi.json", "/docs/assets/swagger-ui.css"])
    expect((await call("GET", path)).status).toBe(404);
  expect(await (await call("GET", "/nope")).text()).not.toContain("/docs");
});
