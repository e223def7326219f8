import type { RequestError, RequestHead } from "../../core/request/request.ts";
import type { WorkerPorts } from "../ports.ts";

/** Counts a request that is put off, and logs the first of many; the others are logged as a number. */
export type CountPutOff = (head: RequestHead, why: string, error: RequestError | null) => void;

/** Between two lines about one model. */
const LOG_EVERY_MS = 10_000;

export function createPutOffLog(ports: Pick<WorkerPorts, "metrics" | "log" | "now">): CountPutOff {
  /** By model, of which there are few. */
  const lines = new Map<string, { atMs: number; since: number }>();

  return ({ model, requestId }, why, error) => {
    ports.metrics.worker_attempts_total.add(1, model, "put_off");
    const last = lines.get(model);
    if (last !== undefined && ports.now() - last.atMs < LOG_EVERY_MS) {
      last.since += 1;
      return;
    }
    lines.set(model, { atMs: ports.now(), since: 0 });
    const what = { model, why, code: error?.code, reason: error?.message, request_id: requestId };
    ports.log.warn({ ...what, since_last_line: last?.since ?? 0 }, "a request is put off");
  };
}
