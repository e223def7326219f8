import { randomUUIDv7 } from "bun";

import type { Command } from "commander";

import type { GenerateBody } from "../../core/request/generate-body.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { parseCount } from "../operator/arguments.ts";
import {
  findApiKey,
  findGateway,
  type Gateway,
  postRequest,
  refusalOf,
  type Status,
  waitForEnd,
} from "../operator/gateway.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { formatNumber, printContent, printJson, printLine } from "../../adapters/terminal/table.ts";
import { statePaths } from "../../adapters/state/paths.ts";
import { readUpJson } from "../../adapters/state/up-json.ts";

interface GenerateOptions {
  model?: string;
  maxTokens?: string;
  timeout: string;
  wait: boolean;
  json?: boolean;
  key?: string;
  url?: string;
}

const CLEAR_LINE = "\r\u001B[2K";
const PROGRESS_PERIOD_MS = 500;

export function registerGenerate(program: Command): void {
  program
    .command("generate")
    .description("send a prompt, wait for its end, print the text")
    .argument("<prompt>", "the prompt; - reads it from standard input")
    .option("-m, --model <model>", "a model of the configuration (default: its default_model)")
    .option("--max-tokens <count>", "cap on output tokens (default: the model's)")
    .option("--timeout <seconds>", "how long to wait", "600")
    .option("--no-wait", "print the request id as soon as it is accepted")
    .option("--json", "print the reply as the gateway gave it")
    .option("--key <key>", "API key (default: TOLLGATE_API_KEY, or the demo user's of up)")
    .option("--url <url>", "the gateway (default: TOLLGATE_URL, or the one of up)")
    .addHelpText(
      "after",
      `
The text goes to standard output, everything else to standard error.
Exit codes: 0 completed (or accepted, with --no-wait), ${EXIT.failed} failed, cancelled or expired,
${EXIT.usage} wrong use, ${EXIT.notRunning} nothing is up, ${EXIT.refused} refused by the quota,
${EXIT.unreachable} the gateway cannot be reached or cannot work,
${EXIT.stillOpen} not ended within --timeout.

Examples:
  ./tollgate generate "Why is the sky blue?"
  ./tollgate generate - --model sim-json --max-tokens 200 < prompt.txt
  id=$(./tollgate generate "Later, please" --no-wait)`,
    )
    .action(generate);
}

async function generate(promptArgument: string, options: GenerateOptions): Promise<void> {
  const startedAtMs = Date.now();
  const deadlineMs = startedAtMs + parseCount(options.timeout, "--timeout", 1, 86_400) * 1_000;
  const gateway = gatewayOf(options);
  const body = await bodyOf(promptArgument, options);

  const reply = await postRequest(gateway, body, randomUUIDv7());
  if (reply.kind === "refused") {
    if (options.json === true) printJson(reply.problem);
    throw refusalOf(reply);
  }
  const { request_id: requestId } = reply.accepted;
  if (!options.wait) {
    if (options.json === true) printJson(reply.accepted);
    else printLine(requestId);
    return;
  }

  const progress = showProgress(requestId, startedAtMs);
  try {
    conclude(await waitForEnd(gateway, requestId, deadlineMs, progress.seen), options, startedAtMs);
  } finally {
    progress.stop();
  }
}

function gatewayOf({ url: givenUrl, key }: GenerateOptions): Gateway {
  const up = readUpJson(statePaths());
  const found = findGateway(givenUrl, process.env, up);
  return { ...found, apiKey: findApiKey(key, process.env, up, found.url) };
}

async function bodyOf(
  prompt: string,
  { model, maxTokens }: GenerateOptions,
): Promise<GenerateBody> {
  return {
    prompt: prompt === "-" ? await Bun.stdin.text() : prompt,
    ...(model === undefined ? {} : { model }),
    ...(maxTokens === undefined ? {} : { max_tokens: parseCount(maxTokens, "--max-tokens", 1) }),
  };
}

/**
 * One changing line on a terminal, nothing elsewhere. Ctrl-C leaves the request open and says how to find it.
 */
function showProgress(
  request: string,
  startedAtMs: number,
): { seen: (status: Status) => void; stop: () => void } {
  const requestId = printable(request);
  let state = "queued";
  const isTerminal = process.stderr.isTTY;
  const show = (): void => {
    const seconds = Math.round((Date.now() - startedAtMs) / 1_000);
    process.stderr.write(`${CLEAR_LINE}… ${requestId} ${state}, ${seconds} s`);
  };
  const timer = isTerminal ? setInterval(show, PROGRESS_PERIOD_MS) : undefined;
  const stop = (): void => {
    clearInterval(timer);
    if (isTerminal) process.stderr.write(CLEAR_LINE);
  };
  process.once("SIGINT", () => {
    stop();
    process.stderr.write(`tollgate: the request ${requestId} goes on: GET /status/${requestId}\n`);
    process.exit(EXIT.interrupted);
  });
  return {
    seen: (status) => {
      state = status.status.replace("_", " ");
    },
    stop,
  };
}

/** Prints what came of a request. @throws {CommandFailure} unless it is completed */
function conclude(status: Status, { json, timeout }: GenerateOptions, startedAtMs: number): void {
  const { request_id: requestId, status: state, error, result } = status;
  if (json === true) printJson(status);
  if (state === "queued" || state === "in_progress") {
    throw new CommandFailure(
      `the request ${requestId} is still ${state} after ${timeout} s and goes on: GET /status/${requestId}`,
      { exitCode: EXIT.stillOpen },
    );
  }
  if (json !== true) {
    if (result !== undefined) printContent(result.choices.map(({ text }) => text).join("\n\n"));
    process.stderr.write(`${formatBill(status, Date.now() - startedAtMs)}\n`);
  }
  if (state === "completed") return;
  const why = error === undefined ? "" : `: ${error.message} (${error.code})`;
  throw new CommandFailure(
    `the request ${requestId} ${state === "failed" ? "failed" : `is ${state}`}${why}`,
    {
      exitCode: EXIT.failed,
    },
  );
}

/** `76 tokens held, 43 used, 33 given back, 1.2 s`; more used than held is charged in full. */
export function formatBill({ tokens }: Status, tookMs: number): string {
  const back = tokens.refunded ?? 0;
  return [
    `${formatNumber(tokens.estimated)} tokens held`,
    `${formatNumber(tokens.total ?? 0)} used`,
    back < 0 ? `${formatNumber(-back)} charged on top` : `${formatNumber(back)} given back`,
    `${(tookMs / 1_000).toFixed(1)} s`,
  ].join(", ");
}
