import { Fault } from "../../core/faults.ts";
import type { InsertOutcome, NewRequest } from "../../core/request/stored-request.ts";
import { createBatcher } from "../../runtime/batcher.ts";
import { type ItemOutcome, runBisected } from "../../runtime/bisect.ts";
import type { GatewayPorts } from "../ports.ts";
import { createDiscards } from "./discards.ts";

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

/** A batch travels as text of twice its size; beyond this it would delay those behind it. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/** A refusal whose row may be there, or still come. */
export interface Unsure {
  kind: "unsure";
  fault: unknown;
  /** Whether the row stays, once that is certain (`Discards`). Never rejects. */
  isStored: Promise<boolean>;
}

export type StoreOutcome = Exclude<InsertOutcome, { kind: "late" }> | Unsure;

export interface Store {
  /**
   * Stores a request together with those that arrive close to it. Resolves after the commit, or with
   * `unsure` when it knows of none within `accept_timeout_ms`.
   *
   * @throws {Fault} when the row is certainly not stored: STORE_UNAVAILABLE (too late), or what is wrong
   *   with its data
   */
  insert: (row: NewRequest) => Promise<StoreOutcome>;
  /** Rows whose callers were refused, for it took too long, and whose inserts are not over. */
  outlived: () => { number: number; bytes: number };
}

const tooLate = (): Fault =>
  new Fault("STORE_UNAVAILABLE", "the request could not be stored in time; it was not accepted");

const bytesOf = ({ prompt, metadata }: NewRequest): number =>
  prompt.byteLength + (metadata?.byteLength ?? 0);

/**
 * Group commit of accepted requests: one statement and one commit for all that arrive in one turn or while
 * others are being stored. Does not bound their number: `boundAccepts` does.
 */
export function createStore(ports: Ports): Store {
  const { gateway } = ports.config();
  const { discard } = createDiscards(ports);
  const outlived = { number: 0, bytes: 0 };
  const batcher = createBatcher<NewRequest, ItemOutcome<InsertOutcome>>({
    itemsMax: gateway.insert_rows_max,
    weightOf: bytesOf,
    weightMax: BATCH_BYTES_MAX,
    // Accepts were gathered before their holds, whose replies come together.
    waitMs: 0,
    flushesMax: gateway.insert_flushes_max,
    flush: (rows) => {
      ports.metrics.gateway_insert_batch_rows.observe(rows.length);
      return runBisected(rows, ports.insertRequests, ports.isDataFault);
    },
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
          if (!isLate) refuseUnsure(error, discard(requestId));
        },
      );
      const cancel = ports.schedule(() => {
        isLate = true;
        outlived.number += 1;
        outlived.bytes += bytesOf(row);
        // Not before the insert is over: what is looked for earlier may still come.
        const isStored = isOver.then(() => {
          outlived.number -= 1;
          outlived.bytes -= bytesOf(row);
          return discard(requestId);
        });
        refuseUnsure(tooLate(), isStored);
      }, row.acceptUntilMs - ports.now());
    });
  }

  return { insert, outlived: () => outlived };
}
