import { runBisected } from "../../runtime/bisect.ts";
import type { Finish, FinishReply } from "../../core/request/finish.ts";
import { finishOf, unreadableFinish } from "./finishes.ts";
import type { CollectorPorts, ResultDelivery } from "../ports.ts";

type Ports = Pick<CollectorPorts, "finishRequests" | "isDataFault" | "log" | "now">;

/** What a delivery came to once its batch is committed. */
export interface CommittedDelivery {
  delivery: ResultDelivery;
  /** null: the delivery names no request that could be ended. */
  reply: FinishReply | null;
  /** The message goes to the dead letters. */
  isUnreadable: boolean;
}

/** What PostgreSQL said of one request of the batch. */
interface CommittedRequest {
  /** The finish that was asked for; a repeat in the same batch has another. */
  finish: Finish;
  reply: FinishReply | null;
  isUnreadable: boolean;
}

/**
 * Ends the requests of a batch in one transaction; returns what became of each delivery, in order. A result
 * that cannot be stored is found by bisection: its request fails with RESULT_UNREADABLE and its neighbours
 * end as they should.
 * @throws {Fault} STORE_UNAVAILABLE, with nothing or only some of it committed; trying again is safe, because
 * what has ended does not move again
 */
export async function commitBatch(
  ports: Ports,
  deliveries: readonly ResultDelivery[],
): Promise<CommittedDelivery[]> {
  const nowMs = ports.now();
  const planned = deliveries.map((delivery) => ({
    delivery,
    finish: finishOf(delivery.decoded, nowMs),
  }));
  const firsts = new Map<string, Finish>();
  for (const { finish } of planned) {
    if (finish !== null && !firsts.has(finish.requestId)) firsts.set(finish.requestId, finish);
  }
  const requests = await commitFinishes(ports, [...firsts.values()]);
  return planned.map(({ delivery, finish }) => committedOf(delivery, finish, requests));
}

function committedOf(
  delivery: ResultDelivery,
  finish: Finish | null,
  requests: ReadonlyMap<string, CommittedRequest>,
): CommittedDelivery {
  const isUnreadable = delivery.decoded.kind === "unreadable";
  const request = finish === null ? undefined : requests.get(finish.requestId);
  if (request === undefined) return { delivery, reply: null, isUnreadable: true };
  const { reply } = request;
  if (request.finish === finish) {
    return { delivery, reply, isUnreadable: isUnreadable || request.isUnreadable };
  }
  const isKnown = reply !== null && reply !== "unknown";
  return { delivery, reply: isKnown ? { ...reply, moved: false } : reply, isUnreadable };
}

async function commitFinishes(
  ports: Ports,
  finishes: Finish[],
): Promise<Map<string, CommittedRequest>> {
  // In one order everywhere, so that two batches that meet in a row wait for each other instead of
  // deadlocking.
  finishes.sort((a, b) => (a.requestId < b.requestId ? -1 : 1));
  const requests = new Map<string, CommittedRequest>();
  const poison: Finish[] = [];
  const outcomes = await runBisected(finishes, ports.finishRequests, ports.isDataFault);
  finishes.forEach((finish, index) => {
    const outcome = outcomes[index];
    if (outcome?.ok === true) {
      requests.set(finish.requestId, { finish, reply: outcome.value, isUnreadable: false });
    } else {
      poison.push(finish);
      const err = outcome?.error;
      ports.log.error({ request_id: finish.requestId, err }, "a result cannot be stored");
    }
  });

  const failures = poison.map(({ requestId, attempts }) =>
    unreadableFinish(requestId, ports.now(), attempts),
  );
  const failed = await runBisected(failures, ports.finishRequests, ports.isDataFault);
  poison.forEach((finish, index) => {
    const outcome = failed[index];
    const reply = outcome?.ok === true ? outcome.value : null;
    requests.set(finish.requestId, { finish, reply, isUnreadable: true });
  });
  return requests;
}
