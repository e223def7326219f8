import type {
  LaneView,
  OperatorPause,
  ParkedRef,
  WaitingTurn,
  WorkerNote,
} from "../../core/queue/lane.ts";
import { type ModelHealth, HEALTHY } from "../../core/queue/model-health.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { createWorld, queuedOf } from "./collector-world.ts";
import {
  createDispatcher,
  type DispatchConfig,
} from "../../collector/keeper/dispatch/dispatcher.ts";

interface Row {
  request: QueuedRequest;
  tokens: number;
}

interface State {
  ended: number;
  /** As the worker says. */
  underWay: number;
  health: ModelHealth;
  /** The broker confirms nothing. */
  fails: boolean;
}

interface SetUp {
  limit?: number;
  /** By user. */
  tiers?: Record<string, string>;
}

/** One model whose worker runs `limit` at once; requests end when a test says so. */
export function createDispatchWorld({ limit = 4, tiers = {} }: SetUp = {}) {
  const world = createWorld();
  const parked = new Map<string, Row>();
  const queue: QueuedRequest[] = [];
  const published: string[] = [];
  const ends = new Map<string, number>();
  const pauses = new Map<string, OperatorPause>();
  const state: State = { ended: 0, underWay: 0, health: HEALTHY, fails: false };
  let view: LaneView | undefined;
  let listener: (parked: readonly ParkedRef[]) => void = () => {};
  let notes = 0;

  const config = {
    models: { sim: { concurrency_max: limit } },
    tiers: { basic: { weight: 1 }, gold: { weight: 3 } },
    default_tier: "basic",
    dispatch: { interval_ms: 100, idle_interval_ms: 250, queue_seconds: 1 },
  } as unknown as DispatchConfig;

  const due = (turn: ParkedRef): Row[] =>
    [...parked.values()].filter(
      ({ request: { head, priority = "normal" } }) =>
        head.userId === turn.userId && priority === turn.priority,
    );

  const dispatcher = createDispatcher(
    {
      ...world.ports,
      holdFates: async (requests) => requests.map(() => "held"),
      publishRequest: async (request) => {
        if (state.fails) throw new Error("no broker");
        queue.push(request);
        published.push(request.head.requestId);
      },
      takePutOff: async () => 0,
      parkRequests: async (requests) => {
        for (const request of requests)
          parked.set(request.head.requestId, { request, tokens: 100 });
      },
      takeQueued: async (_model, most, park) => {
        const taken = queue.splice(0, most);
        await park(taken);
        return taken.length;
      },
      readyOf: async () => [queue.length],
      healthOf: async () => [{ health: state.health, atMs: world.clock.now() }],
      readWorkers: async (): Promise<WorkerNote[]> => {
        notes += 1;
        const { ended, underWay } = state;
        const models = { sim: { problem: null, limit, underWay, ended } };
        return [{ workerId: "w", host: "h", atMs: notes * 1_000, models }];
      },
      writeView: async (written) => {
        view = written;
      },
      operatorPauses: async () => pauses,
      countGateways: async () => 2,
      onParked: (listen) => {
        listener = listen;
        return () => {};
      },
      waitingTurns: async (after, most) => {
        const keyOf = ({ userId, priority }: ParkedRef): string => `${userId} ${priority}`;
        const turns = new Map<string, WaitingTurn>();
        for (const { request } of parked.values()) {
          const { priority = "normal", head } = request;
          const { userId, createdAtMs: sinceMs } = head;
          const turn = { model: "sim", userId, priority, sinceMs };
          if (!turns.has(keyOf(turn))) turns.set(keyOf(turn), turn);
        }
        return [...turns]
          .filter(([key]) => after === null || key > keyOf(after))
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, most)
          .map(([, turn]) => turn);
      },
      nextParked: async (turns, counts) =>
        turns.map((turn, index) =>
          due(turn)
            .slice(0, counts[index])
            .map(({ request, tokens }) => ({
              requestId: request.head.requestId,
              estimatedTokens: tokens,
            })),
        ),
      readParked: async (ids) =>
        ids.flatMap((id) => {
          const row = parked.get(id);
          return row === undefined ? [] : [{ request: row.request, isKeyed: false }];
        }),
      deleteParked: async (ids) => {
        for (const id of ids) parked.delete(id);
      },
      countParked: async () => new Map([["sim", parked.size]]),
      endsOf: async (ids) =>
        ids.flatMap((requestId) => {
          const tokens = ends.get(requestId);
          return tokens === undefined ? [] : [{ requestId, tokens }];
        }),
      tiersOf: async (userIds) => userIds.map((userId) => tiers[userId]),
    },
    () => config,
  );

  /** Parks requests of a user, told to the dispatcher unless the signal is lost. */
  function add(userId: string, count: number, more: { tokens?: number; isLost?: boolean } = {}) {
    for (let i = 0; i < count; i += 1) {
      const requestId = `${userId}-${String(i).padStart(5, "0")}`;
      const queued = queuedOf(requestId);
      const request = { ...queued, head: { ...queued.head, userId } };
      parked.set(requestId, { request, tokens: more.tokens ?? 100 });
    }
    if (more.isLost !== true) listener([{ model: "sim", userId, priority: "normal" }]);
  }

  /** A round every tenth of a second; the worker runs what is in the queue, `perRound` requests each. */
  async function rounds(count: number, perRound: number, tokensOf?: (userId: string) => number) {
    for (let i = 0; i < count; i += 1) {
      await world.clock.advance(100);
      await dispatcher.run(new AbortController().signal);
      for (const { head } of queue.splice(0, perRound)) {
        ends.set(head.requestId, tokensOf?.(head.userId) ?? 100);
        state.ended += 1;
      }
    }
  }

  const servedOf = (userId: string): number =>
    [...ends.keys()].filter((id) => id.startsWith(`${userId}-`)).length;
  return {
    world,
    dispatcher,
    park: add,
    parked,
    queue,
    published,
    ends,
    pauses,
    state,
    rounds,
    servedOf,
    lane: () => view?.models["sim"],
  };
}
