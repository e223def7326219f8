import { expect, test } from "bun:test";

import { createFakeGateway, problemOf, storedRequest } from "../test/support/gateway-world.ts";

test("a gateway that announced its drain is not ready any more and still serves calls", async () => {
  const { call, gateway, stored } = createFakeGateway();
  const id = "00000000-0000-7000-8000-00000000000a";
  stored.set(id, storedRequest(id));
  gateway.announceDrain();

  const waiting = call("GET", `/status/${id}?wait=30`);
  const accepted = await call("POST", "/generate", { body: { prompt: "x" } });
  const ready = await call("GET", "/health/ready");
  gateway.beginDrain();

  expect([accepted.status, ready.status]).toEqual([202, 503]);
  expect((await waiting).status).toBe(200);
});

test("a gateway that drains sends calls elsewhere and is not ready, but alive", async () => {
  const { call, gateway } = createFakeGateway();
  gateway.beginDrain();

  expect((await problemOf(await call("POST", "/generate", { body: { prompt: "x" } }))).code).toBe(
    "DRAINING",
  );
  expect((await call("GET", "/health/ready")).status).toBe(503);
  expect((await call("GET", "/health/live")).status).toBe(200);
});
