import type { Config } from "../../../core/config/schema.ts";
import type { ModelLane, OperatorPause } from "../../../core/queue/lane.ts";
import type { ModelHealth, ModelPause } from "../../../core/queue/model-health.ts";
import type { DispatchPorts, Process } from "../../ports.ts";
import { takeAll } from "./intake.ts";
import type { ModelDispatch } from "./model-dispatch.ts";
import type { PublishTurns } from "./publish-turns.ts";
import type { WhoWaits } from "./who-waits.ts";
import { type ModelWork, type QueueMeasure, roomOf, surplusOf } from "./room.ts";

/** One model as the dispatcher keeps it from round to round. */
export interface Lane {
  dispatch: ModelDispatch;
  /** When messages were published lately, and how many. */
  published: { atMs: number; count: number }[];
  /** The probe that a request was published for last, and when. */
  probeSent: { untilMs: number; atMs: number } | null;
}

/** What is known of a model in this round. */
export interface ModelRound {
  model: string;
  lane: Lane;
  work: ModelWork;
  /** Messages ready in its queue. */
  ready: number;
  health: ModelHealth;
  /** Unix milliseconds by the clock of `health`. */
  atMs: number;
  operatorPause: OperatorPause | null;
}

/** Messages that are recalled in memory at once, content and all. */
const RECALL_MAX = 200;
/** Recalled of one model in a round, so that it keeps no other waiting. */
const SURPLUS_MAX = 1_000;
/** A worker's note may be so old: what was published since is in no count yet. */
const NOTE_AGE_MS = 1_000;
/** A probe that came to nothing although calls are under way gets another request after this. */
const PROBE_AGAIN_MS = 30_000;
/**
 * The same where the workers say that nothing is under way: its request was cancelled, or ended with its
 * worker. Their notes are a second old, and the request takes a moment to begin.
 */
const PROBE_LOST_MS = 3 * NOTE_AGE_MS;

/**
 * Serves one model for one round: publishes what has its turn and room, recalls what lies in the queue of a
 * paused model or is too much for a slow one, publishes one request for a probe that is due. Returns what
 * gateways are told, but for their number. Throws what its ports throw.
 */
export function createServeModel(
  ports: Pick<DispatchPorts, "takeQueued" | "parkRequests"> & Process,
  config: () => Pick<Config, "models" | "dispatch">,
  publish: PublishTurns,
  { scanSoon, isSure }: Pick<WhoWaits, "scanSoon" | "isSure">,
): (
  round: ModelRound,
  signal: AbortSignal,
) => Promise<Omit<ModelLane, "allowance" | "parked"> & { room: number }> {
  /** What lies in the queue of a model that cannot be called goes back to its place. */
  async function recall({ model, ready }: ModelRound, signal: AbortSignal): Promise<void> {
    if (ready === 0) return;
    await takeAll(ports, (park) => ports.takeQueued(model, RECALL_MAX, park), signal);
    scanSoon();
  }

  /**
   * While others wait and more lies in the queue than its measure, it goes back to its place, so that it
   * keeps nobody from their turn. All of it does, because the broker gives the oldest first: what stayed
   * would overtake. Returns how many.
   */
  async function recallSurplus(
    { model, lane }: ModelRound,
    measure: QueueMeasure,
    signal: AbortSignal,
  ): Promise<number> {
    if (lane.dispatch.order.waiting().users === 0 || surplusOf(measure) === 0) return 0;
    const most = Math.min(measure.ready, SURPLUS_MAX);
    let left = most;
    while (left > 0 && !signal.aborted) {
      const taken = await ports.takeQueued(model, Math.min(left, RECALL_MAX), (requests) =>
        ports.parkRequests(requests),
      );
      ports.metrics.keeper_actions_total.add(taken, "parked");
      if (taken === 0) break;
      left -= taken;
    }
    // It was published and is not under way.
    lane.published = [];
    scanSoon();
    return most - left;
  }

  async function roomIn(round: ModelRound, signal: AbortSignal): Promise<number> {
    const { model, lane, work, ready, health, atMs, operatorPause } = round;
    if (operatorPause === null && health.pause === null) {
      const { models, dispatch } = config();
      const measure = {
        work,
        ready,
        queueSeconds: dispatch.queue_seconds,
        concurrencyMax: models[model]?.concurrency_max ?? 1,
      };
      measure.ready -= await recallSurplus(round, measure, signal);
      const unseen = lane.published.reduce((sum, { count }) => sum + count, 0);
      return roomOf({ ...measure, unseen });
    }
    if (operatorPause === null && health.pause !== null && atMs >= health.pause.untilMs)
      return probeRoom(round, health.pause, ports.now());
    await recall(round, signal);
    return 0;
  }

  /** Returns how many were published. */
  async function publishTurns(
    { model, lane, health, atMs }: ModelRound,
    room: number,
    signal: AbortSignal,
  ): Promise<number> {
    if (room === 0 || lane.dispatch.order.waiting().users === 0) return 0;
    // Whoever probes is judged by the probe: users in trouble of their own are not left out.
    const judged = health.pause === null ? health : { ...health, pause: null, users: {} };
    const turns = { model, dispatch: lane.dispatch, room, health: judged, atMs };
    let count: number;
    try {
      count = await publish(turns, signal);
    } catch (error) {
      // Whoever was taken for served is to be found again.
      scanSoon();
      throw error;
    }
    if (count === 0) return 0;
    lane.published.push({ atMs: ports.now(), count });
    if (health.pause !== null)
      lane.probeSent = { untilMs: health.pause.untilMs, atMs: ports.now() };
    return count;
  }

  return async (round, signal) => {
    const { lane, work, ready, health, operatorPause } = round;
    lane.published = lane.published.filter(({ atMs }) => ports.now() - atMs < NOTE_AGE_MS);
    const room = await roomIn(round, signal);
    const left = room - (await publishTurns(round, room, signal));
    const { users, weights } = lane.dispatch.order.waiting();
    const isPaused = operatorPause !== null || health.pause !== null;
    const isDirect = !isPaused && users === 0 && isSure() && left > 0;
    return {
      mode: isDirect ? "direct" : "parked",
      room: isDirect ? left : 0,
      ready,
      ratePerSecond: work.ratePerSecond,
      users,
      weights,
      operatorPause,
    };
  };
}

function probeRoom(
  { lane: { probeSent }, work, ready }: ModelRound,
  { untilMs }: ModelPause,
  nowMs: number,
): number {
  const againMs = work.underWay > 0 ? PROBE_AGAIN_MS : PROBE_LOST_MS;
  const isSent = probeSent?.untilMs === untilMs && nowMs - probeSent.atMs < againMs;
  return ready === 0 && !isSent ? 1 : 0;
}
