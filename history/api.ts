import type { FaultCode } from "../core/faults.ts";
import type { AcceptedReply, StatusReply } from "../gateway/http/schemas.ts";
import type { GenerateBody } from "../core/request/generate-body.ts";
import { isTerminal } from "../core/request/request.ts";
import { eventually } from "../local/stack/eventually.ts";

/** An RFC 9457 problem as the gateway sends it. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: FaultCode;
  errors?: { field: string; message: string }[];
}

/** What came back; `body` is not checked, the test looks at it. */
export interface Reply<Body> {
  status: number;
  headers: Headers;
  body: Body;
}

export interface CallOptions {
  idempotencyKey?: string;
  timeoutMs?: number;
}

/**
 * The HTTP API of one gateway as one caller sees it. Every call ends within its limit; a lost connection
 * throws.
 */
export interface Api {
  /** Any call, with any body: for what a well-behaved client would not send. */
  call: <Body>(path: string, init?: RequestInit, timeoutMs?: number) => Promise<Reply<Body>>;
  /** `POST /generate`, whatever the response. */
  post: (
    body: unknown,
    options?: CallOptions,
  ) => Promise<Reply<Partial<AcceptedReply> & Partial<Problem>>>;
  /** `POST /generate` that must be accepted. @throws naming the refusal */
  generate: (body: GenerateBody, options?: CallOptions) => Promise<AcceptedReply>;
  status: (requestId: string, waitSeconds?: number) => Promise<StatusReply>;
  /** Waits until the request has ended, through refusals and lost connections. */
  untilEnded: (requestId: string, withinMs?: number) => Promise<StatusReply>;
}

const CALL_LIMIT_MS = 10_000;
const END_LIMIT_MS = 30_000;
const WAIT_SECONDS = 5;

/** `apiKey` null: no key is sent. */
export function createApi(gatewayUrl: string, apiKey: string | null): Api {
  async function call<Body>(
    path: string,
    init: RequestInit = {},
    timeoutMs = CALL_LIMIT_MS,
  ): Promise<Reply<Body>> {
    const headers = new Headers(init.headers);
    if (apiKey !== null && !headers.has("authorization"))
      headers.set("authorization", `Bearer ${apiKey}`);
    const signal = AbortSignal.timeout(timeoutMs);
    const reply = await fetch(`${gatewayUrl}${path}`, { ...init, headers, signal });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, body: JSON.parse(text) as Body };
  }

  const post: Api["post"] = (body, { idempotencyKey, timeoutMs } = {}) =>
    call(
      "/generate",
      {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
        },
        body: JSON.stringify(body),
      },
      timeoutMs,
    );

  async function status(requestId: string, waitSeconds = 0): Promise<StatusReply> {
    const { status: code, body } = await call<StatusReply>(
      `/status/${requestId}?wait=${waitSeconds}`,
      {},
      waitSeconds * 1_000 + CALL_LIMIT_MS,
    );
    if (code !== 200) throw new Error(`status of ${requestId}: ${code} ${JSON.stringify(body)}`);
    return body;
  }

  return {
    call,
    post,
    generate: async (body, options) => {
      const reply = await post(body, options);
      if (reply.status !== 202)
        throw new Error(`refused: ${reply.status} ${JSON.stringify(reply.body)}`);
      return reply.body as AcceptedReply;
    },
    status,
    untilEnded: (requestId, withinMs = END_LIMIT_MS) =>
      eventually(`the end of ${requestId}`, withinMs, async () => {
        const seen = await status(requestId, WAIT_SECONDS);
        return isTerminal(seen.status) ? seen : undefined;
      }),
  };
}
