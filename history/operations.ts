import type { RequestState } from "../core/request/request.ts";
import type { HistoryEvent } from "./history.ts";

/** One request that a client wants, over all its calls with the same Idempotency-Key. */
export interface Operation {
  op: number;
  key: string;
  userId: string;
  prompt: string;
  /** Whose waits are judged together; null: nobody's. */
  group: string | null;
  /** Ids that a 202 named; more than one is an error. */
  acknowledged: Set<string>;
  /** Calls whose end the client does not know. */
  unknownCalls: number;
  refusals: number;
  /** Ends that the client has read, by `endOf`; more than one is an error. */
  ends: Set<string>;
  /** Longest time from a call to its 202, milliseconds. */
  calledAtMs: number;
}

const isEnd = (state: RequestState): boolean => state !== "queued" && state !== "in_progress";

/** Tells one end from another: by its state, its tokens and its text. */
export const endOf = (state: RequestState, tokens: number | null, text: string | null): string =>
  JSON.stringify([state, tokens, text]);

/** The operations of a history, by their number. */
export async function foldHistory(
  events: AsyncIterable<HistoryEvent>,
): Promise<Map<number, Operation>> {
  const operations = new Map<number, Operation>();
  for await (const event of events) {
    const known = operations.get(event.op);
    if (event.type === "invoke") {
      const { op, key, userId, prompt, group, monotonicMs } = event;
      if (known === undefined)
        operations.set(op, {
          op,
          key,
          userId,
          prompt,
          group,
          acknowledged: new Set(),
          unknownCalls: 0,
          refusals: 0,
          ends: new Set(),
          calledAtMs: monotonicMs,
        });
      else known.calledAtMs = monotonicMs;
      continue;
    }
    if (known === undefined) throw new Error(`the history ends operation ${event.op} unbegun`);
    addOutcome(known, event);
  }
  return operations;
}

function addOutcome(operation: Operation, event: Exclude<HistoryEvent, { type: "invoke" }>): void {
  const isUnknown =
    event.type === "info" || (event.type === "fail" && event.code === "STORE_UNSURE");
  if (isUnknown) operation.unknownCalls += 1;
  else if (event.type === "fail") operation.refusals += 1;
  else if (event.act === "generate") operation.acknowledged.add(event.requestId);
  else if (isEnd(event.state)) operation.ends.add(endOf(event.state, event.tokens, event.text));
}
