import type { NotedAction } from "../../adapters/postgres/operator-actions.ts";
import type { ParkedStanding, WholeRequest } from "../../adapters/postgres/search-requests.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { formatInstant, formatNumber, formatTable } from "../../adapters/terminal/table.ts";
import type { AttemptHints } from "../../core/attempt/start.ts";
import type { Waiting } from "../../core/queue/lane.ts";
import { isTerminal } from "../../core/request/request.ts";
import { formatAge } from "../operator/ages.ts";
import type { SeenRequest } from "./list-requests.ts";
import { describeWaiting } from "./why-waiting.ts";

const instant = (atMs: number | null): string | null =>
  atMs === null ? null : new Date(atMs).toISOString();

/** A request as `--json` prints it; without its content. */
export const requestJson = (request: SeenRequest, email: string | null) => ({
  request_id: request.requestId,
  user_id: request.userId,
  email,
  model: request.model,
  status: request.state,
  attempts: request.attempts,
  tokens: {
    estimated: request.estimatedTokens,
    prompt: request.promptTokens,
    completion: request.completionTokens,
    total: request.totalTokens,
  },
  created_at: instant(request.createdAtMs),
  started_at: instant(request.startedAtMs),
  completed_at: instant(request.completedAtMs),
  error:
    request.errorCode === null
      ? null
      : { code: request.errorCode, message: request.errorMessage ?? "" },
});

/** The lines of `request list`. `emails` by user id; a deleted user has none. */
export function formatRequests(
  requests: readonly SeenRequest[],
  emails: ReadonlyMap<string, string>,
  atMs: number,
): string {
  const rows = requests.map((request) => [
    request.requestId,
    emails.get(request.userId) ?? request.userId,
    request.model,
    request.state.replace("_", " "),
    String(request.attempts),
    formatNumber(request.totalTokens ?? request.estimatedTokens),
    formatInstant(request.createdAtMs),
    formatAge((request.completedAtMs ?? atMs) - request.createdAtMs),
    request.errorCode ?? "",
  ]);
  const heading = ["REQUEST", "USER", "MODEL", "STATUS", "ATTEMPTS", "TOKENS", "ACCEPTED (UTC)"];
  return formatTable([...heading, "TOOK", "ERROR"], rows);
}

/** All that is known of a request but its content. */
export interface KnownRequest {
  request: WholeRequest;
  email: string | null;
  /** Tokens of its ledger row; null: it has none. */
  billedTokens: number | null;
  /** undefined: Redis does not answer. */
  hints: AttemptHints | undefined;
  parked: ParkedStanding | undefined;
  /** undefined: it does not wait, or Redis does not answer. */
  waiting: Waiting | undefined;
  actions: readonly NotedAction[];
}

/** As `request show --json` prints it. */
export function knownJson(known: KnownRequest) {
  const { request, email, billedTokens, hints, parked, waiting, actions } = known;
  const seen = seenOf({ request, hints });
  return {
    ...requestJson(seen, email),
    expires_at: instant(request.expiresAtMs),
    window_day: request.windowDay,
    billed_tokens: billedTokens,
    parked: parked === undefined ? null : parked,
    waiting:
      waiting === undefined
        ? null
        : {
            reason: waiting.reason,
            ahead: waiting.ahead,
            starts_in_seconds: waiting.startsInSeconds,
            last_error: waiting.lastError,
          },
    ...(isTerminal(request.state) || hints === undefined
      ? {}
      : {
          attempts_made: hints.attemptsMade,
          next_attempt_by: hints.delayedUntilMs === 0 ? null : instant(hints.delayedUntilMs),
          last_error: hints.lastError,
        }),
    content_bytes: {
      prompt: request.prompt.byteLength,
      metadata: request.metadata?.byteLength ?? 0,
      result: request.result?.byteLength ?? 0,
    },
    operator_actions: actions.map(({ actor, reason, action, detail, atMs }) => ({
      at: instant(atMs),
      actor,
      reason,
      action,
      detail,
    })),
  };
}

function seenOf({ request, hints }: Pick<KnownRequest, "request" | "hints">): SeenRequest {
  const started = isTerminal(request.state) ? undefined : hints?.started;
  if (started === undefined) return request;
  const { attempt, startedAtMs } = started;
  return { ...request, state: "in_progress", attempts: attempt, startedAtMs };
}

/** The same for people. */
export function formatKnown(known: KnownRequest, atMs: number): string {
  const { request, email, billedTokens, actions } = known;
  const seen = seenOf(known);
  const lines: [string, string][] = [
    ["request", request.requestId],
    ["user", `${request.userId}${email === null ? "" : ` ${email}`}`],
    ["model", request.model],
    ["status", seen.state.replace("_", " ")],
    ["accepted", `${when(request.createdAtMs, atMs)}, held in the windows of ${request.windowDay}`],
    ["expires", `${formatInstant(request.expiresAtMs)} UTC`],
    ["held", `${formatNumber(request.estimatedTokens)} tokens`],
    ["attempts", String(seen.attempts)],
  ];
  if (seen.startedAtMs !== null) lines.push(["started", when(seen.startedAtMs, atMs)]);
  if (request.completedAtMs !== null) lines.push(["ended", when(request.completedAtMs, atMs)]);
  if (isTerminal(request.state))
    lines.push(["billed", billedTokens === null ? "no" : `${formatNumber(billedTokens)} tokens`]);
  else lines.push(...waitingLines(known, atMs));
  if (request.errorCode !== null)
    lines.push(["error", `${request.errorCode}: ${request.errorMessage ?? ""}`]);
  lines.push(["content", contentText(request)]);
  for (const { actor, reason, action, detail, atMs: actedAtMs } of actions)
    lines.push([
      "operator",
      `${formatInstant(actedAtMs)} UTC ${action} by ${actor}${reason === null ? "" : `: ${reason}`} ` +
        JSON.stringify(detail),
    ]);
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.map(([label, value]) => printable(`${label.padEnd(width)}  ${value}`)).join("\n");
}

function waitingLines({ hints, parked, waiting }: KnownRequest, atMs: number): [string, string][] {
  const lines: [string, string][] = [];
  if (waiting !== undefined) lines.push(["waits", describeWaiting(waiting)]);
  if (parked !== undefined)
    lines.push(["parked", `class ${parked.priority}, for its attempt ${parked.attempt}`]);
  if (hints === undefined) return [...lines, ["attempts", "not known: Redis does not answer"]];
  if (hints.attemptsMade > 0) lines.push(["attempts made", String(hints.attemptsMade)]);
  if (hints.started === undefined && hints.delayedUntilMs > atMs)
    lines.push(["next attempt", `within ${formatAge(hints.delayedUntilMs - atMs)}`]);
  if (hints.lastError !== null)
    lines.push(["last error", `${hints.lastError.code}: ${hints.lastError.message}`]);
  return lines;
}

const when = (thenMs: number, atMs: number): string =>
  `${formatInstant(thenMs)} UTC, ${formatAge(atMs - thenMs)} ago`;

function contentText({ prompt, metadata, result }: WholeRequest): string {
  const parts = [`prompt ${formatNumber(prompt.byteLength)} bytes`];
  if (metadata !== null) parts.push(`metadata ${formatNumber(metadata.byteLength)} bytes`);
  if (result !== null) parts.push(`result ${formatNumber(result.byteLength)} bytes`);
  return `${parts.join(", ")}, sealed`;
}
