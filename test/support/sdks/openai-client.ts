import OpenAI, { type APIError, type ClientOptions } from "openai";

import type { TestStack } from "../stack/stack.ts";
import type { TestUser } from "../stack/users.ts";

/** One HTTP call as the SDK made it; it makes several for one call of its user when it repeats. */
export interface SentCall {
  path: string;
  /** What the SDK says: 0 for the first try. */
  retryCount: string | null;
  /** null: no answer came. */
  status: number | null;
}

/** OpenAI's own client at a gateway, and what it sent. */
export interface WatchedClient {
  client: OpenAI;
  sent: SentCall[];
}

/** The client of a user; everything but `baseURL` and `apiKey` is as OpenAI ships it. */
export function openaiClient(
  stack: TestStack,
  user: Pick<TestUser, "apiKey">,
  options: ClientOptions = {},
): WatchedClient {
  const sent: SentCall[] = [];
  const watch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = input instanceof Request ? input.url : input;
    const call: SentCall = {
      path: new URL(url).pathname,
      retryCount: new Headers(init?.headers).get("x-stainless-retry-count"),
      status: null,
    };
    sent.push(call);
    const reply = await fetch(input, init);
    call.status = reply.status;
    return reply;
  };
  const client = new OpenAI({
    baseURL: `${stack.url}/v1`,
    apiKey: user.apiKey,
    fetch: watch,
    ...options,
  });
  return { client, sent };
}

/** The error of OpenAI's that a call must end with. */
export async function openaiErrorOf(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error;
    throw error;
  }
  throw new Error("the call succeeded");
}
