import type { DeadLetter } from "./dead-letters.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { formatInstant, formatNumber, formatTable } from "../../adapters/terminal/table.ts";
import type { RequestStanding } from "../../core/request/stored-request.ts";

/** A letter as `--json` prints it; without its content. */
export function letterJson({ queue, id, content, error, message }: DeadLetter) {
  const head =
    content.kind === "unreadable"
      ? { unreadable: content.reason }
      : {
          user_id: content.head.userId,
          model: content.head.model,
          created_at: new Date(content.head.createdAtMs).toISOString(),
          estimated_tokens: content.head.estimatedTokens,
          attempts: content.attempts,
        };
  return {
    request_id: id,
    queue,
    kind: content.kind === "unreadable" ? content.why : content.kind,
    ...head,
    error,
    bytes: message.body.byteLength,
  };
}

export function formatLetters(letters: readonly DeadLetter[]): string {
  const rows = letters.map(({ queue, id, content, error, message }) => [
    id ?? "(none)",
    queue,
    content.kind === "unreadable" ? content.why : (error?.code ?? stateOf(content)),
    ...(content.kind === "unreadable"
      ? ["", "", ""]
      : [content.head.model, String(content.attempts), formatInstant(content.head.createdAtMs)]),
    formatNumber(message.body.byteLength),
  ]);
  const heading = ["REQUEST", "QUEUE", "ERROR", "MODEL", "ATTEMPTS", "ACCEPTED (UTC)", "BYTES"];
  return formatTable(heading, rows);
}

const stateOf = (content: Exclude<DeadLetter["content"], { kind: "unreadable" }>): string =>
  content.kind === "result" ? content.result.state : "unknown";

/** All that is known of one letter, and how its request stands. Headers are our own words, not a user's. */
export function formatLetter(letter: DeadLetter, standing: RequestStanding | undefined): string {
  const { queue, id, content, error, message } = letter;
  const lines: [string, string][] = [
    ["request", id ?? "(none)"],
    ["queue", queue],
  ];
  if (content.kind === "unreadable") {
    lines.push([content.why, content.reason]);
  } else {
    const { head, attempts } = content;
    lines.push(
      ["user", head.userId],
      ["model", head.model],
      [
        "accepted",
        `${formatInstant(head.createdAtMs)} UTC, held in the windows of ${head.windowDay}`,
      ],
      ["expires", `${formatInstant(head.expiresAtMs)} UTC`],
      ["held", `${formatNumber(head.estimatedTokens)} tokens`],
      ["attempts", String(attempts)],
    );
  }
  if (error !== null) lines.push(["error", `${error.code}: ${error.message}`]);
  lines.push(["content", `${formatNumber(message.body.byteLength)} bytes, sealed`]);
  lines.push(["now", describeStanding(standing)]);
  for (const [name, value] of Object.entries(message.headers))
    lines.push([`header ${name}`, JSON.stringify(value)]);
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.map(([label, value]) => printable(`${label.padEnd(width)}  ${value}`)).join("\n");
}

export function describeStanding(standing: RequestStanding | undefined): string {
  if (standing === undefined) return "unknown to PostgreSQL";
  const { state, billedTokens, failedExecutions } = standing;
  if (state === "queued") return "open";
  const isBilled = billedTokens !== null && billedTokens > 0;
  const bill = isBilled ? `billed ${formatNumber(billedTokens)} tokens` : "not billed";
  const failed =
    failedExecutions === 1 ? "1 execution" : `${formatNumber(failedExecutions)} executions`;
  return failedExecutions === 0 ? `${state}, ${bill}` : `${state}, ${bill}, ${failed} failed`;
}
