import type { StatusReply } from "../gateway/http/schemas.ts";
import { type Backoff, backoffMs } from "../runtime/backoff.ts";
import { type Api, createApi } from "./api.ts";
import type { HistoryWriter } from "./history.ts";

/** A user whose requests the load makes. */
export interface Caller {
  userId: string;
  apiKey: string;
}

export interface LoadOptions {
  gateways: readonly string[];
  users: readonly Caller[];
  ratePerSecond: number;
  history: Pick<HistoryWriter, "write">;
  /** Number of the first operation; default 0. */
  firstOp?: number;
  /** The prompt of an operation; it must be its own. Default: `load N`. */
  promptOf?: (op: number) => string;
  /** The model of an operation. Default: the default one. */
  modelOf?: (op: number) => string | undefined;
  /** The name under which the operation's wait is judged with others', as it begins. Default: none. */
  groupOf?: (op: number) => string | undefined;
  /** One of this many operations also waits for its end and reads it. Default 5. */
  readEvery?: number;
  /** How long a client tries an operation before it gives up, milliseconds. Default 20,000. */
  patienceMs?: number;
}

export interface LoadCounts {
  attempted: number;
  acknowledged: number;
  refused: number;
  unknown: number;
  /** Operations not begun because too many were under way. */
  skipped: number;
  /** Operations under way. */
  open: number;
}

export interface Load {
  counts: () => LoadCounts;
  /** Begins no more operations, and waits for those under way. */
  stop: () => Promise<void>;
}

/** Every request of the load asks for at most this many tokens. */
export const LOAD_MAX_TOKENS = 64;

/** One operation: the same at each of its calls. */
interface Wanted {
  op: number;
  user: Caller;
  key: string;
  body: { prompt: string; max_tokens: number; model?: string };
  group: string | null;
}

const NONE: LoadCounts = {
  attempted: 0,
  acknowledged: 0,
  refused: 0,
  unknown: 0,
  skipped: 0,
  open: 0,
};
const TICK_MS = 10;
const OPEN_MAX = 2_000;
const CALL_LIMIT_MS = 5_000;
const RETRY_MS = 250;
/** Clients that all come back at once would be a fault of their own. */
const RETRY_BACKOFF: Backoff = { firstMs: 375, longestMs: 6_000, jitter: 2 / 3 };
const WAIT_SECONDS = 5;
const READ_LIMIT_MS = 30_000;

/**
 * A client that posts requests at a steady rate, each with an Idempotency-Key of its own, at all gateways in
 * turn, and notes what it sees. A call that got no response is unknown, and is made again with the same key;
 * so is one that was refused for lack of a server.
 */
export function startLoad({
  gateways,
  users,
  ratePerSecond,
  history,
  firstOp = 0,
  promptOf = (op) => `load ${op}`,
  modelOf = () => undefined,
  groupOf = () => undefined,
  readEvery = 5,
  patienceMs = 20_000,
}: LoadOptions): Load {
  const counts = { ...NONE };
  const run = crypto.randomUUID().slice(0, 8);
  const apis = new Map<string, Api>();
  const startedAtMs = performance.now();
  const running = new Set<Promise<void>>();
  let turn = 0;
  let begun = 0;

  function apiOf(gateway: string, { apiKey }: Caller): Api {
    const name = `${gateway} ${apiKey}`;
    const api = apis.get(name) ?? createApi(gateway, apiKey);
    apis.set(name, api);
    return api;
  }

  const nextGateway = (): string => gateways[turn++ % gateways.length] ?? "";

  /** Makes one call. Returns the id of a 202, null when a repeat may help, undefined when it cannot. */
  async function callOnce({
    op,
    user,
    key,
    body,
    group,
  }: Wanted): Promise<string | null | undefined> {
    const gateway = nextGateway();
    const { userId } = user;
    const { prompt, model = null } = body;
    const act = "generate";
    history.write({ type: "invoke", act, op, key, userId, prompt, model, group, gateway });
    try {
      const { status, body: reply } = await apiOf(gateway, user).post(body, {
        idempotencyKey: key,
        timeoutMs: CALL_LIMIT_MS,
      });
      if (status === 202 && reply.request_id !== undefined) {
        history.write({ type: "ok", act, op, requestId: reply.request_id });
        return reply.request_id;
      }
      history.write({ type: "fail", act, op, status, code: reply.code ?? "" });
      return status >= 500 ? null : undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.name : String(error);
      history.write({ type: "info", act, op, reason });
      counts.unknown += 1;
      return null;
    }
  }

  async function readEnd(op: number, user: Caller, requestId: string): Promise<void> {
    const deadlineMs = performance.now() + READ_LIMIT_MS;
    while (performance.now() < deadlineMs) {
      try {
        const seen = await apiOf(nextGateway(), user).status(requestId, WAIT_SECONDS);
        noteStatus(op, seen);
        if (seen.completed_at !== undefined) return;
      } catch {
        // Reading may fail at any time and proves nothing; it is tried again.
        await Bun.sleep(RETRY_MS);
      }
    }
  }

  function noteStatus(op: number, seen: StatusReply): void {
    const { request_id: requestId, status: state, tokens, result } = seen;
    const text = result?.choices[0]?.text ?? null;
    history.write({ type: "ok", act: "status", op, requestId, state, tokens: tokens.total, text });
  }

  async function operate(op: number): Promise<void> {
    const user = users[op % users.length];
    if (user === undefined) throw new Error("a load needs a user");
    const model = modelOf(op);
    const wanted: Wanted = {
      op,
      user,
      key: `${run}-${op}`,
      body: { prompt: promptOf(op), max_tokens: LOAD_MAX_TOKENS, ...(model && { model }) },
      group: groupOf(op) ?? null,
    };
    const deadlineMs = performance.now() + patienceMs;
    for (let failures = 1; performance.now() < deadlineMs; failures += 1) {
      const requestId = await callOnce(wanted);
      if (requestId === undefined) break;
      if (requestId !== null) {
        counts.acknowledged += 1;
        if (op % readEvery === 0) await readEnd(op, user, requestId);
        return;
      }
      await Bun.sleep(backoffMs(RETRY_BACKOFF, failures, Math.random()));
    }
    counts.refused += 1;
  }

  function begin(): void {
    const due = Math.floor(((performance.now() - startedAtMs) / 1_000) * ratePerSecond);
    for (; begun < due; begun += 1) {
      if (running.size >= OPEN_MAX) {
        counts.skipped += 1;
        continue;
      }
      counts.attempted += 1;
      const operation = operate(firstOp + begun).finally(() => running.delete(operation));
      running.add(operation);
    }
  }

  const timer = setInterval(begin, TICK_MS);
  return {
    counts: () => ({ ...counts, open: running.size }),
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running);
    },
  };
}
