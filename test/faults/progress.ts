import { parseMetrics, sumOf } from "../../local/observe/prometheus-text.ts";
import type { FaultCode } from "../../core/faults.ts";
import { eventually, untilTrue } from "../../local/stack/eventually.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { Scene } from "./scenarios.ts";

const ACCEPTING_LIMIT_MS = 15_000;
/**
 * After the death of a leader RabbitMQ 3.10 was seen to deliver again within 0.5 to 6 s, and once on a busy
 * machine only after about 20 s.
 */
const COMPLETING_LIMIT_MS = 45_000;
const REFUSING_LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 2_000;
/** More than may still come from before. */
const MORE = 50;

export async function countCompleted({ books }: TestStack): Promise<number> {
  const [{ count }] = await books.database.run(
    "count the completed requests",
    (sql) => sql<[{ count: number }]>`
      select count(*)::integer as count from requests where status = 'completed'`,
  );
  return count;
}

/** Calls that the gateways have refused with a code since they were started. */
export async function countRefused({ gateways }: TestStack, code: FaultCode): Promise<number> {
  const counts = await Promise.all(
    gateways.map(async ({ readMetrics }) => {
      const text = await readMetrics(ANSWER_LIMIT_MS);
      return sumOf(parseMetrics(text), "gateway_requests_total", { code });
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Resolves once a call has been refused with a code that was not before. */
export async function untilRefusing({ stack }: Scene, code: FaultCode): Promise<void> {
  const before = await countRefused(stack, code);
  await untilTrue(
    `requests are refused: ${code}`,
    REFUSING_LIMIT_MS,
    async () => (await countRefused(stack, code)) > before,
  );
}

/** Acceptance must go on, or come back, by itself. */
export async function untilAccepting({ load }: Scene): Promise<void> {
  const before = load.counts().acknowledged;
  await untilTrue(
    "requests are accepted",
    ACCEPTING_LIMIT_MS,
    () => load.counts().acknowledged > before + MORE,
  );
}

/** The same for the whole way to a result. */
export async function untilCompleting({ stack }: Scene): Promise<void> {
  // Our own connection may have gone with a server.
  const before = await eventually("the requests are counted", COMPLETING_LIMIT_MS, () =>
    countCompleted(stack),
  );
  await untilTrue(
    "requests are completed",
    COMPLETING_LIMIT_MS,
    async () => (await countCompleted(stack)) > before + MORE,
  );
}
