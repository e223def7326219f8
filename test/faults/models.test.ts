/** What one model's ML service does must fail no request that can wait, and delay none of another model. */
import { expect } from "bun:test";

import { eventually } from "../../local/stack/eventually.ts";
import type { SimulatorControl } from "../../local/stack/simulator-control.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { untilAccepting } from "./progress.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";

const HEALTHY = "sim-chat";
const ILL = "ill";
const USERS = 5;
const RATE = 60;
const ILL_MS = 6_000;
/** What a request to the healthy model may take while the other one is ill, on a slow machine. */
const HEALTHY_MS_MAX = 3_000;
const FLAPS = 4;
const FLAP_MS = 900;

const scenario = scenariosOnStack(() => Promise.resolve({ ownSimulators: [ILL] }));

/** Each user asks for both models in turn: the numbers have no common factor. */
const isHealthy = (op: number): boolean => op % 2 === 0;

const LOAD = {
  ratePerSecond: RATE,
  usersOf: (stack: TestStack) => Promise.all(Array.from({ length: USERS }, () => stack.addUser())),
  modelOf: (op: number) => (isHealthy(op) ? HEALTHY : ILL),
};

/** Whatever is done to the model that is ill: its requests wait, and the other's do not. */
function whileIll(title: string, makeIll: (scene: Scene) => Promise<void>): void {
  const group = `a healthy model while another ${title}`;
  scenario(
    `a model that ${title} loses none of its requests and delays no other model's`,
    async (scene) => {
      await untilAccepting(scene);
      await makeIll(scene);
      await untilAccepting(scene);
    },
    {
      ...LOAD,
      groupOf: (op) => (isHealthy(op) ? group : undefined),
      waits: { [group]: { msMax: HEALTHY_MS_MAX } },
      expectAlso: ({ states, waits }) => {
        expect(Object.keys(states)).toEqual(["completed"]);
        expect(waits[group]?.count).toBeGreaterThan((ILL_MS / 1_000) * (RATE / 2) * 0.5);
      },
    },
  );
}

/** Gives the simulator of the ill model other settings for a while; the stack's own come back. */
async function setForAWhile(
  { stack }: Scene,
  settings: Parameters<SimulatorControl["set"]>[0],
  well: Parameters<SimulatorControl["set"]>[0],
): Promise<void> {
  const simulator = stack.simulatorOf(ILL);
  await simulator.set(settings);
  await Bun.sleep(ILL_MS);
  await simulator.set(well);
}

const NO_FAULTS = { fault_rates: {} };

whileIll("is dead", async ({ stack }) => {
  const simulator = stack.component(`simulator-${ILL}`);
  await simulator.kill();
  await Bun.sleep(ILL_MS);
  await simulator.start();
});

whileIll("comes and goes", async ({ stack }) => {
  const simulator = stack.component(`simulator-${ILL}`);
  for (let flap = 0; flap < FLAPS; flap += 1) {
    await simulator.kill();
    await Bun.sleep(FLAP_MS);
    await simulator.start();
    await Bun.sleep(FLAP_MS);
  }
});

whileIll("is slow and full", async (scene) => {
  // Below the time limit of a call: slowness alone fails nothing.
  const slow = { ttft_ms: 1_000, slots: 2, queue_max: 1 };
  await setForAWhile(scene, slow, { ttft_ms: 0, slots: 0, queue_max: 256 });
});

whileIll("refuses our credential", (scene) =>
  setForAWhile(scene, { fault_rates: { "401": 1 } }, NO_FAULTS),
);

whileIll("is too busy for two seconds each time", async (scene) => {
  const { stack } = scene;
  const simulator = stack.simulatorOf(ILL);
  await simulator.set({ fault_rates: { "429": 1 }, retry_after_seconds: 2 });
  const refused = async (): Promise<number> => (await simulator.stats()).faults["429"] ?? 0;
  await eventually("it refuses", 5_000, async () => ((await refused()) > 0 ? true : undefined));
  await Bun.sleep(ILL_MS);
  // What was under way at first, and then one probe every two seconds.
  expect(await refused()).toBeLessThan(60);
  await simulator.set(NO_FAULTS);
});
