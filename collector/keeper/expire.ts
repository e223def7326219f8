import type { ExpirePorts, Process } from "../ports.ts";
import { createWalk, type Duty } from "./duty.ts";
import { endRequests } from "./end-requests.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";

const PAGE_MAX = 500;
const PAGES_MAX = 10;

/**
 * Ends requests that waited longer than their queue_ttl: `expired`, never billed. One that has started is
 * left to its worker. If a worker starts one at this very moment, its result comes too late and is discarded.
 */
export function createExpire(ports: ExpirePorts & Process, { everyMs }: { everyMs: number }): Duty {
  const walk = createWalk<RequestRef>((after) => ports.overdueRequests(after, PAGE_MAX), PAGES_MAX);

  async function expire(requests: RequestRef[]): Promise<void> {
    const marks = await ports.attemptMarks(requests);
    const overdue = requests.filter((_, index) => marks[index] === "none");
    const moved = await endRequests(
      ports,
      overdue.map(({ requestId }) => requestId),
      {
        state: "expired",
        error: { code: "QUEUE_TTL_PASSED", message: "the request was not started in time" },
      },
    );
    ports.metrics.keeper_actions_total.add(moved, "expired");
  }

  return {
    name: "expire",
    everyMs,
    run: async (signal) => {
      await walk(expire, signal);
    },
  };
}
