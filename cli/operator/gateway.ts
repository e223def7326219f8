import { callHere, type CallerTls, DIRECT } from "../../adapters/process/direct.ts";
import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { isTerminal, REQUEST_STATES } from "../../core/request/request.ts";
import { type JsonText, writeJson } from "../../core/json/json-text.ts";
import type { GenerateBody } from "../../core/request/generate-body.ts";
import { CommandFailure, describeError, EXIT } from "../../adapters/terminal/failure.ts";
import type { UpJson } from "../../adapters/state/up-json.ts";

export interface Gateway {
  url: string;
  apiKey: string;
  /** undefined: plain text, or certificates of authorities that this machine knows. */
  tls?: CallerTls;
}

type Environment = Record<string, string | undefined>;

const URL_VARIABLE = "TOLLGATE_URL";
const KEY_VARIABLE = "TOLLGATE_API_KEY";

const POST_LIMIT_MS = 30_000;
const WAIT_SECONDS = 20;
/** The gateway's wait and some time for the way. */
const STATUS_LIMIT_MS = (WAIT_SECONDS + 10) * 1_000;
/** Between two tries to reach a gateway that has accepted a request and is away. */
const RETRY_PAUSE_MS = 1_000;

/** The gateway; that of `up --tls` with its certificates. @throws {CommandFailure} when nothing says so */
export function findGateway(
  given: string | undefined,
  env: Environment,
  up: UpJson | undefined,
): Omit<Gateway, "apiKey"> {
  const url = given ?? (env[URL_VARIABLE] || up?.gateway);
  if (url === undefined) {
    throw new CommandFailure(
      `there is no gateway to ask: start ./tollgate up, or give --url or ${URL_VARIABLE}`,
      { exitCode: EXIT.notRunning },
    );
  }
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new CommandFailure(`${url} is not a URL: give one like http://127.0.0.1:8080`, {
      exitCode: EXIT.usage,
    });
  const plain = url.replace(/\/+$/, "");
  return { url: plain, ...(up?.tls && up.gateway === plain && { tls: up.tls }) };
}

/**
 * The key to call it with. The demo user's goes to the gateway of `up` only.
 *
 * @throws {CommandFailure} when there is none
 */
export function findApiKey(
  given: string | undefined,
  env: Environment,
  up: UpJson | undefined,
  url: string,
): string {
  const key = given ?? (env[KEY_VARIABLE] || (up?.gateway === url ? up.api_key : undefined));
  if (key !== undefined) return key;
  throw new CommandFailure(
    `an API key is needed: give --key or ${KEY_VARIABLE}, made by ./tollgate key add USER`,
    { exitCode: EXIT.usage },
  );
}

/** Of each reply only what is used here; the rest is passed on as it came. */
const AcceptedReply = t.Object({ request_id: t.String() });
const StatusReply = t.Object({
  request_id: t.String(),
  status: t.Union(REQUEST_STATES.map((state) => t.Literal(state))),
  result: t.Optional(t.Object({ choices: t.Array(t.Object({ text: t.String() })) })),
  error: t.Optional(t.Object({ code: t.String(), message: t.String() })),
  tokens: t.Object({
    estimated: t.Integer(),
    total: t.Union([t.Integer(), t.Null()]),
    refunded: t.Union([t.Integer(), t.Null()]),
  }),
});
const Problem = t.Object({
  title: t.String(),
  code: t.String(),
  detail: t.String(),
  errors: t.Optional(t.Array(t.Object({ field: t.String(), message: t.String() }))),
});
type Accepted = Static<typeof AcceptedReply>;
export type Status = Static<typeof StatusReply>;
type ProblemDocument = Static<typeof Problem>;

export interface Refusal {
  kind: "refused";
  status: number;
  problem: ProblemDocument;
  /** Seconds, as the gateway says. */
  retryAfter: string | null;
}

export type PostReply = { kind: "accepted"; accepted: Accepted } | Refusal;

/**
 * Posts one request. A replay, with the same `idempotencyKey` and body, returns the same request.
 *
 * @throws {CommandFailure} when no gateway answers there
 */
export async function postRequest(
  { url, apiKey, tls }: Gateway,
  body: GenerateBody | JsonText,
  idempotencyKey: string,
): Promise<PostReply> {
  const reply = await call(`${url}/generate`, POST_LIMIT_MS, {
    ...certificatesFor(tls),
    method: "POST",
    headers: {
      authorization: `Bearer ${apiKey}`,
      "content-type": "application/json",
      "idempotency-key": idempotencyKey,
    },
    body: writeJson(body),
  });
  if (reply.status === 202) return { kind: "accepted", accepted: await read(reply, AcceptedReply) };
  return readRefusal(reply);
}

const readRefusal = async (reply: Response): Promise<Refusal> => ({
  kind: "refused",
  status: reply.status,
  problem: await read(reply, Problem),
  retryAfter: reply.headers.get("retry-after"),
});

/** Why a call was refused, on one line, with the exit code for it. */
export function refusalOf({ status, problem, retryAfter }: Refusal): CommandFailure {
  const fields = (problem.errors ?? []).map(({ field, message }) => `${field} ${message}`);
  const text = fields.length > 0 ? fields.join("; ") : problem.detail;
  const later = retryAfter === null ? "" : `: try again in ${retryAfter} s`;
  return new CommandFailure(`${text} (${problem.code})${later}`, { exitCode: exitCodeOf(status) });
}

function exitCodeOf(status: number): number {
  if (status === 429) return EXIT.refused;
  return status >= 500 ? EXIT.unreachable : EXIT.usage;
}

/**
 * Waits for the end of a request, telling each state that it is seen in. Goes on through a gateway that is
 * away for a while. Returns the state at `deadlineMs` (Unix milliseconds) if it has not ended by then.
 *
 * @throws {CommandFailure} when the gateway refuses to tell, or is still away at the deadline
 */
export async function waitForEnd(
  { url, apiKey, tls }: Gateway,
  requestId: string,
  deadlineMs: number,
  onState: (status: Status) => void,
): Promise<Status> {
  for (;;) {
    const leftSeconds = (deadlineMs - Date.now()) / 1_000;
    const wait = Math.max(0, Math.min(WAIT_SECONDS, Math.floor(leftSeconds)));
    try {
      const reply = await call(`${url}/status/${requestId}?wait=${wait}`, STATUS_LIMIT_MS, {
        ...certificatesFor(tls),
        headers: { authorization: `Bearer ${apiKey}` },
      });
      if (reply.status !== 200) throw refusalOf(await readRefusal(reply));
      const status = await read(reply, StatusReply);
      onState(status);
      if (isTerminal(status.status) || leftSeconds <= 0) return status;
    } catch (error) {
      const isAway = error instanceof CommandFailure && error.exitCode === EXIT.unreachable;
      if (!isAway || leftSeconds <= 0) throw error;
      await Bun.sleep(RETRY_PAUSE_MS);
    }
  }
}

const certificatesFor = (tls: CallerTls) => (tls === undefined ? {} : callHere(tls));

/** A gateway elsewhere may be behind the proxy of the environment; one on this machine is not. */
const directTo = (url: string) =>
  /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname) ? DIRECT : {};

async function call(url: string, limitMs: number, init: RequestInit): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(limitMs);
    return await fetch(url, { ...init, ...directTo(url), redirect: "manual", signal });
  } catch (error) {
    const reason = reasonOf(error);
    const advice = /CERT|VERIFY|SIGNATURE/.test(reason)
      ? "its certificate is not believed: name the file of its authority by NODE_EXTRA_CA_CERTS"
      : "does it run (./tollgate ps), and does its URL begin as it should (http, https)?";
    throw new CommandFailure(`no gateway answers at ${url} (${reason}): ${advice}`, {
      exitCode: EXIT.unreachable,
      cause: error,
    });
  }
}

/** `ECONNREFUSED` says more than Bun's sentence for it. */
function reasonOf(error: unknown): string {
  const hasCode = error instanceof Error && "code" in error && typeof error.code === "string";
  return hasCode ? String(error.code) : describeError(error);
}

async function read<Schema extends TSchema>(
  reply: Response,
  schema: Schema,
): Promise<Static<Schema>> {
  const text = await reply.text().catch(() => "");
  const body: unknown = parseJson(text);
  if (Value.Check(schema, body)) return body;
  throw new CommandFailure(
    `${reply.url} answers ${reply.status} with something else than a gateway would: is the URL right?`,
    { exitCode: EXIT.unreachable },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
