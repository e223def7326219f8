import type { Component } from "../../../local/stack/component.ts";
import type { SimulatorControl } from "../../../local/stack/simulator-control.ts";
import type { TestStack } from "../../support/stack/stack.ts";
import type { LoadWish } from "../run.ts";

/** The model whose ML service is away again and again, for a minute and more. */
export const AWAY = "away";
/** The model that one user floods: it has room for fewer requests than come. */
export const NARROW = "narrow";
const HEALTHY = "sim-chat";

const BETWEEN_OUTAGES_MS = { min: 10_000, max: 25_000 };
const OUTAGE_MS = { min: 60_000, max: 90_000 };
const FLOOD_MS = { min: 30_000, max: 50_000 };
const BETWEEN_FLOODS_MS = { min: 20_000, max: 40_000 };
const FLAP_MS = { min: 1_000, max: 6_000 };
const NARROW_SERVICE_MS = 200;
/** Beside which servers crash and freeze for seconds, so that only the middle says something. */
const P50_MS_MAX = 10_000;
const GROUPS = { healthy: "a healthy model while another is out", lone: "others beside a flood" };

/** One of ten operations of the load is of the user who floods twice. */
const SLOTS = 10;
const isOfFlooding = (op: number): boolean => op % SLOTS < 2;
const isLone = (op: number): boolean => op % 50 === 7;
const isForAway = (op: number): boolean => op % 50 >= 40;

/** Settings of a stack for this. */
export const TROUBLE_STACK = {
  ownSimulators: [AWAY, NARROW],
  models: {
    [AWAY]: { breaker_open_max_ms: 8_000 },
    [NARROW]: { concurrency_max: 4 },
  },
} as const;

/** A model that goes away and a user who floods another one, beside all other disturbances. */
export interface Trouble {
  /** Which models the load asks for, and what must hold of their waits. */
  wish: Pick<LoadWish, "modelOf" | "groupOf" | "waits">;
  /** The users of the load: the first floods. */
  usersOf: <User>(users: readonly User[]) => User[];
  /** Ends it; resolves when all models are well. */
  stop: () => Promise<void>;
}

interface TroubleOptions {
  stack: TestStack;
  /** In [0, 1), determined by the seed. */
  random: () => number;
  say: (line: string) => void;
}

export async function startTrouble({ stack, random, say }: TroubleOptions): Promise<Trouble> {
  const stopping = new AbortController();
  const { signal } = stopping;
  let isOut = false;
  let isFlooding = false;
  await stack.simulatorOf(NARROW).set({ ttft_ms: NARROW_SERVICE_MS });

  const drawMs = ({ min, max }: { min: number; max: number }): number =>
    Math.round(min + random() * (max - min));

  async function outages(): Promise<void> {
    const place = {
      service: stack.component(`simulator-${AWAY}`),
      simulator: stack.simulatorOf(AWAY),
    };
    while (!signal.aborted) {
      const outage = OUTAGES[Math.floor(random() * OUTAGES.length)] ?? OUTAGES[0];
      const ms = drawMs(OUTAGE_MS);
      say(`  model ${AWAY} ${outage.title} for ${ms} ms`);
      isOut = true;
      await outage.run(place, pauseUntil(ms, signal), () => pauseUntil(drawMs(FLAP_MS), signal));
      isOut = false;
      say(`  model ${AWAY} is well`);
      await pauseUntil(drawMs(BETWEEN_OUTAGES_MS), signal);
    }
  }

  async function floods(): Promise<void> {
    while (!signal.aborted) {
      say(`  a user floods model ${NARROW}`);
      isFlooding = true;
      await pauseUntil(drawMs(FLOOD_MS), signal);
      isFlooding = false;
      await pauseUntil(drawMs(BETWEEN_FLOODS_MS), signal);
    }
  }

  const running = [outages(), floods()];
  return {
    wish: {
      modelOf: (op) => {
        if (isLone(op) || (isFlooding && isOfFlooding(op))) return NARROW;
        return isForAway(op) ? AWAY : HEALTHY;
      },
      groupOf: (op) => {
        if (isLone(op)) return isFlooding ? GROUPS.lone : undefined;
        const isHealthy = isOut && !isForAway(op) && !isOfFlooding(op);
        return isHealthy ? GROUPS.healthy : undefined;
      },
      waits: {
        [GROUPS.healthy]: { p50MsMax: P50_MS_MAX },
        [GROUPS.lone]: { p50MsMax: P50_MS_MAX },
      },
    },
    usersOf: ([flooding, ...others]) => {
      if (flooding === undefined || others.length === 0) throw new Error("a flood needs others");
      const slots = Array.from({ length: SLOTS - 2 }, (_, slot) => others[slot % others.length]);
      return [flooding, flooding, ...slots.filter((user) => user !== undefined)];
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
      await stack.simulatorOf(NARROW).set({ ttft_ms: 0 });
    },
  };
}

/** Resolves after `ms`, or when it is to end. */
function pauseUntil(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

interface Outage {
  title: string;
  /** Makes the service ill until `over` resolves, and well again. */
  run: (
    place: { service: Component; simulator: SimulatorControl },
    over: Promise<void>,
    flap: () => Promise<void>,
  ) => Promise<void>;
}

type SimChange = Parameters<SimulatorControl["set"]>[0];

function replying(title: string, change: SimChange): Outage {
  return {
    title,
    run: async ({ simulator }, over) => {
      await simulator.set(change);
      await over;
      await simulator.set({ fault_rates: {} });
    },
  };
}

const OUTAGES: readonly [Outage, ...Outage[]] = [
  {
    title: "is dead",
    run: async ({ service }, over) => {
      await service.kill();
      await over;
      await service.start();
    },
  },
  {
    title: "comes and goes",
    run: async ({ service }, over, flap) => {
      const ending = new AbortController();
      void over.then(() => {
        ending.abort();
      });
      while (!ending.signal.aborted) {
        await service.kill();
        await flap();
        await service.start();
        await flap();
      }
    },
  },
  replying("refuses our credential", { fault_rates: { "401": 1 } }),
  replying("does not know our model", { fault_rates: { "404": 1 } }),
  replying("is too busy", { fault_rates: { "429": 1 }, retry_after_seconds: 5 }),
  replying("is not available", { fault_rates: { "503": 0.7, "502": 0.5 } }),
];
