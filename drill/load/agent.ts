import { connect } from "node:net";

import { stampedLines } from "../../history/history.ts";
import { startLoad } from "../../history/load.ts";
import type { CallsWish, ConnectWish, Statuses, SteadyWish, Wish } from "./wishes.ts";

// Runs inside a pod, as one bundled file: `bun agent.js WISH`. What it finds out is on standard output.

const CALL_LIMIT_MS = 30_000;
const CONNECT_LIMIT_MS = 2_000;

async function runSteady({ gateway, users, ratePerSecond, firstOp }: SteadyWish): Promise<void> {
  const write = stampedLines((line) => process.stdout.write(line));
  const load = startLoad({
    gateways: [gateway],
    users,
    ratePerSecond,
    firstOp,
    history: { write },
  });
  await Bun.stdin.text();
  await load.stop();
}

/** Plain words, other ones for each call. */
function makePrompt(call: number, chars: number): string {
  const words = `call ${call} asks how long the keeper of the gate waits for the next cart to pay its toll `;
  return words.repeat(Math.ceil(chars / words.length)).slice(0, chars);
}

async function runCalls(wish: CallsWish): Promise<Statuses> {
  const { url, headers, body, prompt, concurrency, ratePerSecond } = wish;
  const { count = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY } = wish;
  const startedMs = performance.now();
  const statuses: Statuses = {};
  let begun = 0;

  const elapsedSeconds = (): number => (performance.now() - startedMs) / 1_000;
  const init = (call: number): RequestInit => {
    if (body === undefined) return { headers };
    const filled = prompt && { [prompt.field]: makePrompt(call, prompt.chars) };
    return { method: "POST", headers, body: JSON.stringify({ ...body, ...filled }) };
  };

  async function callInTurn(): Promise<void> {
    while (begun < count && elapsedSeconds() < seconds) {
      const call = begun++;
      if (ratePerSecond !== undefined)
        await Bun.sleep(Math.max(0, (call / ratePerSecond - elapsedSeconds()) * 1_000));
      const status = await fetch(url, { ...init(call), signal: AbortSignal.timeout(CALL_LIMIT_MS) })
        .then(async (reply) => {
          await reply.arrayBuffer();
          return reply.status;
        })
        .catch(() => 0);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  }

  await Promise.all(Array.from({ length: concurrency }, callInTurn));
  return statuses;
}

const isOpen = ({ host, port }: { host: string; port: number }): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (open: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(open);
    };
    const timer = setTimeout(() => end(false), CONNECT_LIMIT_MS);
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });

const runConnect = ({ targets }: ConnectWish): Promise<boolean[]> =>
  Promise.all(targets.map(isOpen));

const wish = JSON.parse(process.argv[2] ?? "") as Wish;
if (wish.kind === "steady") await runSteady(wish);
else {
  const found = wish.kind === "calls" ? await runCalls(wish) : await runConnect(wish);
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
process.exit(0);
