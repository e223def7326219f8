import type { ExpirePorts, Process } from "../ports.ts";
import { createWalk, type Duty } from "./duty.ts";
import { endRequests, type KeeperEnd } from "./end-requests.ts";
import type { RequestError } from "../../core/request/request.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";

const EXPIRED: KeeperEnd = {
  state: "expired",
  error: { code: "QUEUE_TTL_PASSED", message: "the request was not started in time" },
  attempts: 0,
};
/** For a parked retry whose last error is not known. */
const UNKNOWN_ERROR: RequestError = {
  code: "UPSTREAM_UNAVAILABLE",
  message: "the ML service could not be called again in time",
};

const PAGE_MAX = 500;
const PAGES_MAX = 10;

/**
 * Ends requests that waited longer than their queue_ttl: `expired`, never billed. One that has started is
 * left to its worker. If a worker starts one at this very moment, its result comes too late and is discarded.
 *
 * A request whose attempts failed does not expire; but where its model could not be called again until its
 * time was over, it fails with what its last attempt met.
 */
export function createExpire(ports: ExpirePorts & Process, { everyMs }: { everyMs: number }): Duty {
  const walk = createWalk<RequestRef>((after) => ports.overdueRequests(after, PAGE_MAX), PAGES_MAX);

  async function expire(requests: RequestRef[]): Promise<void> {
    const marks = await ports.attemptMarks(requests);
    const overdue = requests.filter((_, index) => marks[index] === "none");
    const ids = overdue.map(({ requestId }) => requestId);
    const moved = await endRequests(ports, new Map(ids.map((id) => [id, EXPIRED])));
    await ports.deleteParked(ids);
    ports.metrics.keeper_actions_total.add(moved, "expired");
  }

  async function failRetries(): Promise<void> {
    const retries = await ports.overdueRetries(PAGE_MAX);
    const ends = retries.map(({ requestId, attempts, lastError = UNKNOWN_ERROR }) => {
      const end: KeeperEnd = { state: "failed", error: lastError, attempts };
      return [requestId, end] as const;
    });
    const moved = await endRequests(ports, new Map(ends));
    await ports.deleteParked(retries.map(({ requestId }) => requestId));
    ports.metrics.keeper_actions_total.add(moved, "retry_given_up");
  }

  return {
    name: "expire",
    everyMs,
    run: async (signal) => {
      await walk(expire, signal);
      await failRetries();
    },
  };
}
