import { createBatcher } from "../../runtime/batcher.ts";
import { type ItemOutcome, runBisected } from "../../runtime/bisect.ts";
import { Fault } from "../../core/faults.ts";
import { createDiscards } from "./discards.ts";
import type { GatewayPorts } from "../ports.ts";
import type { InsertOutcome, NewRequest } from "../../core/stored-request.ts";

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

/** A refusal whose row may be there, or still come. */
export interface Unsure {
  kind: "unsure";
  fault: unknown;
  /** Whether it stays, once that is certain (`Discards`). Never rejects. */
  isStored: Promise<boolean>;
}

export type StoreOutcome = Exclude<InsertOutcome, { kind: "late" }> | Unsure;

const tooLate = (): Fault =>
  new Fault("STORE_UNAVAILABLE", "the request could not be stored in time; it was not accepted");

export interface Store {
  /**
   * Stores a request together with those that arrive close to it. Resolves after the commit, or `unsure` when none is known of within
   * `accept_timeout_ms`.
   *
   * @throws {Fault} when the row is certainly not stored: OVERLOADED, STORE_UNAVAILABLE (too late), or what is wrong with its data
   */
  insert: (row: NewRequest) => Promise<StoreOutcome>;
  pending: () => number;
}

/** Group commit of accepted requests: one statement and one commit for all that arrive in one turn or while others are being stored. */
export function createStore(ports: Ports): Store {
  const { gateway } = ports.config();
  const { discard } = createDiscards(ports);
  const batcher = createBatcher<NewRequest, ItemOutcome<InsertOutcome>>({
    itemsMax: gateway.insert_rows_max,
    weightOf: (row) => row.prompt.byteLength + (row.metadata?.byteLength ?? 0),
    weightMax: BATCH_BYTES_MAX,
    // Accepts were gathered before their holds, whose answers come together.
    waitMs: 0,
    flushesMax: gateway.insert_flushes_max,
    pendingMax: gateway.accepts_max,
    // A row stays after its caller was refused, until its insert is over.
    pendingWeightMax: gateway.accepts_bytes_max,
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
      const refuseUnsure = (fault: unknown, isStored: Promise<boolean>): void =>
        resolve({ kind: "unsure", fault, isStored });
      let isLate = false;
      const isOver = batcher.add(row).then(
        (outcome) => {
          cancel();
          if (!outcome.ok) reject(outcome.error);
          else if (outcome.value.kind === "late") reject(tooLate());
          else resolve(outcome.value);
        },
        (error: unknown) => {
          cancel();
          if (error instanceof Fault && error.code === "OVERLOADED") reject(error);
          else if (!isLate) refuseUnsure(error, discard(requestId));
        },
      );
      const cancel = ports.schedule(() => {
        isLate = true;
        // Not before the insert is over: what is looked for earlier may still come.
        refuseUnsure(
          tooLate(),
          isOver.then(() => discard(requestId)),
        );
      }, row.acceptUntilMs - ports.now());
    });
  }

  return { insert, pending: batcher.pending };
}
