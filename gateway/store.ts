import { createBatcher } from "../core/batcher.ts";
import { type ItemOutcome, runBisected } from "../core/bisect.ts";
import { Fault } from "../core/faults.ts";
import { createDiscards } from "./discards.ts";
import type { GatewayPorts, InsertOutcome, NewRequest } from "./ports.ts";

type Ports = Pick<
  GatewayPorts,
  | "config"
  | "log"
  | "metrics"
  | "now"
  | "schedule"
  | "insertRequests"
  | "isDataFault"
  | "discardRequests"
>;

/** A batch travels as text of twice its size; beyond this it would hold up those behind it. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

export type StoreOutcome = Exclude<InsertOutcome, { kind: "late" }>;

const tooLate = (): Fault =>
  new Fault("STORE_UNAVAILABLE", "the request could not be stored in time; it was not accepted");

export interface Store {
  /**
   * Stores a request together with those that arrive close to it. Resolves after the commit.
   *
   * @throws {Fault} STORE_UNAVAILABLE when it is not committed within `accept_timeout_ms`: then the row is taken out again
   */
  insert: (row: NewRequest) => Promise<StoreOutcome>;
  pending: () => number;
}

/** Group commit of accepted requests: one statement and one commit for all that arrive within `insert_wait_ms`. */
export function createStore(ports: Ports): Store {
  const { gateway } = ports.config();
  const { discard } = createDiscards(ports);
  const batcher = createBatcher<NewRequest, ItemOutcome<InsertOutcome>>({
    itemsMax: gateway.insert_rows_max,
    weightOf: (row) => row.prompt.byteLength + (row.metadata?.byteLength ?? 0),
    weightMax: BATCH_BYTES_MAX,
    waitMs: gateway.insert_wait_ms,
    flushesMax: gateway.insert_flushes_max,
    pendingMax: gateway.accepts_max,
    flush: (rows) => {
      ports.metrics.gateway_insert_batch_rows.observe(rows.length);
      return runBisected(rows, ports.insertRequests, ports.isDataFault);
    },
    onFull: () =>
      new Fault("OVERLOADED", "too many requests are being accepted at once; try again shortly"),
    schedule: ports.schedule,
  });

  function insert(row: NewRequest): Promise<StoreOutcome> {
    const { requestId } = row.head;
    return new Promise((resolve, reject) => {
      let isLate = false;
      const cancel = ports.schedule(() => {
        isLate = true;
        reject(tooLate());
      }, row.acceptUntilMs - ports.now());
      batcher.add(row).then(
        (outcome) => {
          cancel();
          if (isLate) discard(requestId);
          else if (!outcome.ok) reject(outcome.error);
          else if (outcome.value.kind === "late") reject(tooLate());
          else resolve(outcome.value);
        },
        (error: unknown) => {
          cancel();
          if (!(error instanceof Fault && error.code === "OVERLOADED")) discard(requestId);
          reject(error);
        },
      );
    });
  }

  return { insert, pending: batcher.pending };
}
