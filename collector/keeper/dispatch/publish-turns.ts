import type { ModelHealth } from "../../../core/queue/model-health.ts";
import type { OutboxEntry } from "../../../core/request/stored-request.ts";
import type { DispatchPorts, FinishPorts, Process } from "../../ports.ts";
import { cancelRefused, findRefused } from "../refused.ts";
import type { ModelDispatch, Picked } from "./model-dispatch.ts";

/** Requests in memory at once, content and all. */
const BATCH_MAX = 200;
/** Published in one round for one model, so that no model keeps the others waiting. */
const ROUND_MAX = 2_000;

/** What is published of one model now. */
export interface Round {
  model: string;
  dispatch: ModelDispatch;
  /** At most so many. */
  room: number;
  health: ModelHealth;
  /** Unix milliseconds by the clock of `health`. */
  atMs: number;
}

/** Publishes the requests whose turn it is; returns how many. Throws what its ports throw. */
export type PublishTurns = (round: Round, signal: AbortSignal) => Promise<number>;

/** Publishes first and deletes the parked rows then: dying in between makes a duplicate, never a loss. */
export function createPublishTurns(ports: DispatchPorts & FinishPorts & Process): PublishTurns {
  async function publishBatch(dispatch: ModelDispatch, picked: readonly Picked[]): Promise<number> {
    let contents: OutboxEntry[];
    try {
      contents = await ports.readParked(picked.map(({ requestId }) => requestId));
    } catch (error) {
      dispatch.putBack(picked);
      throw error;
    }
    ports.reach("D1");
    const refused = await findRefused(ports, contents);
    const order = new Map(picked.map(({ requestId }, index) => [requestId, index]));
    const placeOf = ({ request }: OutboxEntry): number => order.get(request.head.requestId) ?? 0;
    const wanted = contents
      .filter((entry) => !refused.has(entry))
      .toSorted((a, b) => placeOf(a) - placeOf(b));
    const outcomes = await Promise.allSettled(
      wanted.map(({ request }) => ports.publishRequest(request)),
    );
    ports.reach("D2");
    const failed = new Set<string>();
    outcomes.forEach((outcome, index) => {
      const id = wanted[index]?.request.head.requestId;
      if (outcome.status === "rejected" && id !== undefined) failed.add(id);
    });
    await cancelRefused(ports, refused);
    // Those that have ended meanwhile are not among the contents: their rows go as well.
    await ports.deleteParked(
      picked.map(({ requestId }) => requestId).filter((id) => !failed.has(id)),
    );
    dispatch.putBack(picked.filter(({ requestId }) => failed.has(requestId)));
    const [firstFailure] = outcomes.filter((outcome) => outcome.status === "rejected");
    if (firstFailure !== undefined) throw firstFailure.reason;
    ports.metrics.keeper_actions_total.add(wanted.length, "dispatched");
    return wanted.length;
  }

  return async ({ model, dispatch, room, health, atMs }, signal) => {
    let left = Math.min(room, ROUND_MAX);
    let published = 0;
    while (left > 0 && !signal.aborted) {
      const count = Math.min(left, BATCH_MAX);
      const { picked, isOver } = await dispatch.pick(count, health, atMs, (turns, counts) =>
        ports.nextParked(
          turns.map((turn) => ({ ...turn, model })),
          counts,
        ),
      );
      if (isOver) break;
      // Those whose requests have ended meanwhile have left the order.
      if (picked.length === 0) continue;
      published += await publishBatch(dispatch, picked);
      left -= picked.length;
    }
    return published;
  };
}
