import { expect, test } from "bun:test";

import { createFakeGateway, storedRequest } from "../../test/support/gateway-world.ts";

const ID = "00000000-0000-7000-8000-00000000abcd";

test("every answer about one request has its id in a header", async () => {
  const { call, stored } = createFakeGateway();
  const post = { body: { prompt: "x" }, headers: { "idempotency-key": "order-1" } };
  stored.set(ID, storedRequest(ID));

  const accepted = await call("POST", "/generate", post);
  const replayed = await call("POST", "/generate", post);
  const { request_id: id } = (await accepted.json()) as { request_id: string };
  const status = await call("GET", `/status/${ID}`);
  const cancelled = await call("POST", `/requests/${ID}/cancel`);
  const refused = await call("POST", `/requests/${ID}/cancel`);

  expect([accepted.status, replayed.status]).toEqual([202, 202]);
  expect([accepted, replayed].map(({ headers }) => headers.get("x-request-id"))).toEqual([id, id]);
  expect([status.status, cancelled.status, refused.status]).toEqual([200, 200, 409]);
  for (const { headers } of [status, cancelled, refused])
    expect(headers.get("x-request-id")).toBe(ID);
});
