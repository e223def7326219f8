import { afterEach, expect, test } from "bun:test";

import { sendDemoRequest } from "./demo-request.ts";

let stopGateway: (() => Promise<void>) | undefined;
afterEach(() => stopGateway?.());

const TOKENS = { estimated: 80, total: 50, refunded: 30 };

/** A gateway that accepts, or not, and then says how the request stands. */
function gatewayThat(
  accept: { status: number; body: unknown },
  status: unknown = {},
): { url: string; called: string[] } {
  const called: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      called.push(`${request.method} ${pathname}`);
      if (pathname === "/generate") return Response.json(accept.body, { status: accept.status });
      return Response.json(status);
    },
  });
  stopGateway = () => server.stop(true);
  return { url: `http://127.0.0.1:${server.port}`, called };
}

const ACCEPTED = { status: 202, body: { request_id: "r1" } };

test("a request that completes tells its text and its tokens", async () => {
  const result = { choices: [{ text: "It takes tolls." }] };
  const { url } = gatewayThat(ACCEPTED, { status: "completed", result, tokens: TOKENS });

  expect(await sendDemoRequest({ gateway: url, apiKey: "key" }, 0)).toEqual({
    kind: "completed",
    requestId: "r1",
    text: "It takes tolls.",
    tokensHeld: 80,
    tokensUsed: 50,
    tokensGivenBack: 30,
  });
});

test("one that takes too long is cancelled, so that nothing is left behind", async () => {
  const tokens = { estimated: 80, total: null, refunded: null };
  const { url, called } = gatewayThat(ACCEPTED, { status: "queued", tokens });

  expect(await sendDemoRequest({ gateway: url, apiKey: "key" }, 0)).toEqual({
    kind: "not-completed",
    what: "r1 has not ended within 0 s, and is cancelled",
  });
  expect(called.at(-1)).toBe("POST /requests/r1/cancel");
});

test("one that fails says why", async () => {
  const error = { code: "UPSTREAM_REJECTED", message: "no such model" };
  const { url } = gatewayThat(ACCEPTED, { status: "failed", error, tokens: TOKENS });

  expect(await sendDemoRequest({ gateway: url, apiKey: "key" }, 0)).toMatchObject({
    what: "r1 is failed: no such model (UPSTREAM_REJECTED)",
  });
});

test("one that is refused, or a gateway that does not answer, is told and thrown by nobody", async () => {
  const { url } = gatewayThat({ status: 429, body: { code: "QUOTA_EXCEEDED" } });

  const refused = await sendDemoRequest({ gateway: url, apiKey: "key" }, 0);
  const away = await sendDemoRequest({ gateway: "http://127.0.0.1:1", apiKey: "key" }, 0);

  expect(refused).toMatchObject({ what: 'it was refused with 429 {"code":"QUOTA_EXCEEDED"}' });
  expect(away).toMatchObject({ what: expect.stringContaining("the gateway does not answer") });
});
