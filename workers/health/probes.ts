import {
  type ModelPause,
  withoutProbe,
  withProbe,
  withUserProbe,
  withUserProbeUntil,
} from "../../core/queue/model-health.ts";
import type { WorkerPorts } from "../ports.ts";
import type { Health } from "./health.ts";

/**
 * The trials that this worker makes for everybody: of a paused model, and of a user whose requests are tried
 * one at a time. Each is a lease in the shared record, kept while it is needed, so that the trial of a worker
 * that dies is soon somebody else's.
 */
export interface Probes {
  /** Takes what is due, keeps what is held, and gives back what came to nothing. Call it often. */
  look: (models: readonly string[]) => void;
  /** Whether this worker waits for a request to try the paused model with. */
  isAwaiting: (model: string) => boolean;
  /** A request tries the model. Ask `isAwaiting` first. */
  begin: (model: string) => void;
  /** The model was not tried after all: the next request may. */
  abandon: (model: string) => void;
  /** The model was tried and that was reported: the trial is over. */
  end: (model: string) => void;
  /** Returns whether this worker may try one request of the user. */
  takeForUser: (model: string, userId: string) => Promise<boolean>;
  /** `isTried`: the request was called and that was reported; else another request may be tried. */
  endForUser: (model: string, userId: string, isTried: boolean) => void;
  /** Takes nothing from now on, and gives back all trials that wait; the others when they are abandoned. */
  stop: () => Promise<void>;
}

interface Probe {
  waitingSinceMs: number;
  isUnderWay: boolean;
}

/** A trial whose worker gives no sign for so long is somebody else's. */
const LEASE_MS = 10_000;
/** What is left of a lease when it is renewed. */
const RENEWED_AT_MS = 6_000;
/** How long a worker waits for a request to try, before another worker may. */
const AWAITED_MS = 5_000;
/** How long it then leaves the trial to the others. */
const REST_MS = 1_000;

export function createProbes(
  ports: Pick<WorkerPorts, "now" | "log" | "workerId">,
  health: Health,
  onChange: (model: string) => void,
): Probes {
  const { workerId } = ports;
  const held = new Map<string, Probe>();
  const taking = new Set<string>();
  const restsUntilMs = new Map<string, number>();
  /** Of each user's trial: the user and the model. */
  const users = new Map<string, { model: string; userId: string }>();
  let isStopped = false;

  async function take(model: string): Promise<void> {
    taking.add(model);
    const isTaken = await health.change(model, ({ health: now, atMs }) =>
      withProbe(now, workerId, atMs, LEASE_MS),
    );
    taking.delete(model);
    if (!isTaken) return;
    held.set(model, { waitingSinceMs: ports.now(), isUnderWay: false });
    if (isStopped) await giveBack(model);
    else onChange(model);
  }

  async function giveBack(model: string): Promise<void> {
    held.delete(model);
    onChange(model);
    await health.change(model, ({ health: now }) => withoutProbe(now, workerId));
  }

  function keep(model: string, probe: Probe, pause: ModelPause | null): void {
    const isOurs = pause?.probe?.workerId === workerId;
    // Whoever has it now, or resumed the model, does without this worker.
    if (!probe.isUnderWay && (!isOurs || health.isPausedByOperator(model))) void giveBack(model);
    else if (!probe.isUnderWay && ports.now() - probe.waitingSinceMs >= AWAITED_MS) {
      restsUntilMs.set(model, ports.now() + REST_MS);
      void giveBack(model);
    } else if (isOurs && isNearlyOver(pause.probe?.untilMs ?? 0)) {
      void health.change(model, ({ health: now, atMs }) =>
        withProbe(now, workerId, atMs, LEASE_MS),
      );
    }
  }

  const isNearlyOver = (untilMs: number): boolean => untilMs - health.nowMs() < RENEWED_AT_MS;

  function isDue(model: string, pause: ModelPause): boolean {
    const nowMs = health.nowMs();
    const isFree = pause.probe === null || pause.probe.untilMs <= nowMs;
    return isFree && pause.untilMs <= nowMs && (restsUntilMs.get(model) ?? 0) <= ports.now();
  }

  function look(model: string): void {
    const { pause } = health.of(model);
    const probe = held.get(model);
    if (probe !== undefined) keep(model, probe, pause);
    else if (pause !== null && !isStopped && !taking.has(model)) {
      if (!health.isPausedByOperator(model) && isDue(model, pause)) void take(model);
    }
  }

  return {
    look(models) {
      for (const model of models) look(model);
      for (const { model, userId } of users.values()) {
        const untilMs = health.of(model).users[userId]?.probeUntilMs ?? 0;
        if (untilMs === 0 || !isNearlyOver(untilMs)) continue;
        void health.change(model, ({ health: now, atMs }) =>
          withUserProbeUntil(now, userId, atMs + LEASE_MS),
        );
      }
    },
    isAwaiting(model) {
      const probe = held.get(model);
      return probe !== undefined && !probe.isUnderWay;
    },
    begin(model) {
      const probe = held.get(model);
      if (probe === undefined) throw new Error(`${model} is tried without leave`);
      probe.isUnderWay = true;
      ports.log.info({ model }, "a paused model is tried");
      onChange(model);
    },
    abandon(model) {
      if (isStopped) void giveBack(model);
      else held.set(model, { waitingSinceMs: ports.now(), isUnderWay: false });
      onChange(model);
    },
    end(model) {
      held.delete(model);
      onChange(model);
    },
    async takeForUser(model, userId) {
      const isTaken = await health.change(model, ({ health: now, atMs }) =>
        withUserProbe(now, userId, atMs, LEASE_MS),
      );
      if (isTaken) users.set(`${model} ${userId}`, { model, userId });
      return isTaken;
    },
    endForUser(model, userId, isTried) {
      if (!users.delete(`${model} ${userId}`) || isTried) return;
      void health.change(model, ({ health: now }) => withUserProbeUntil(now, userId, 0));
    },
    async stop() {
      isStopped = true;
      const awaiting = [...held].filter(([, { isUnderWay }]) => !isUnderWay);
      await Promise.all(awaiting.map(([model]) => giveBack(model)));
    },
  };
}
