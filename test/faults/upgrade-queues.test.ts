/**
 * From the release with one queue for all models to this one and back, under load, without a stop. Old
 * gateways put all models into one queue and old workers know no other; old keepers know of no parked
 * requests.
 */
import { afterAll, describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { SECRET_VARIABLES } from "../../adapters/state/secrets.ts";
import type { Component } from "../../local/stack/component.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { sayLeftOut } from "./bring-package.ts";
import { untilAccepting, untilCompleting } from "./progress.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";
import { makeBuildBeforeQueues, settingsForBuild } from "./upgrade-build.ts";

/** Not `sim-json`: the release before fails requests of such a model when its process stands still. */
const MODELS = ["sim-chat", "sim-completions"] as const;
const DRAINED_LIMIT_MS = 30_000;
/** Half of each role is of the one release, half of the other. */
const SIDE_BY_SIDE_MS = 4_000;

const before = await makeBuildBeforeQueues();
if (before === null) sayLeftOut("an upgrade from the release before", "it is not in the history");
afterAll(() => before?.remove());

describe.skipIf(before === null)("the release with one queue for all models", () => {
  const scenario = scenariosOnStack(() =>
    Promise.resolve({ simulator: { ttft_ms: 20 }, settings: { amqp: { accept_unsigned: true } } }),
  );
  const load = {
    ratePerSecond: 80,
    modelOf: (op: number) => MODELS[op % MODELS.length],
    usersOf: (stack: TestStack) => Promise.all(Array.from({ length: 4 }, () => stack.addUser())),
  };

  /** Replaces processes by those of a release, one after the other; each ends in order. */
  async function roll(
    stack: TestStack,
    components: readonly Component[],
    release: "this" | "before",
  ): Promise<void> {
    for (const component of components) {
      expect(await component.terminate()).toBe(0);
      if (release === "this" || before === null) component.useBuild(PROJECT_ROOT);
      else component.useBuild(before.folder, environmentOfBefore(stack));
      await component.start();
    }
  }

  const configOfBefore = (): string => join(before?.folder ?? "", "stack.json");

  /** There every process needs the pepper. */
  const environmentOfBefore = ({ env }: TestStack): Record<string, string> => ({
    TOLLGATE_CONFIG: configOfBefore(),
    [SECRET_VARIABLES.keyPepper]: env[SECRET_VARIABLES.keyPepper] ?? "",
  });

  async function writeConfigOfBefore({ env }: TestStack): Promise<void> {
    if (before === null) return;
    const settings: unknown = await Bun.file(env["TOLLGATE_CONFIG"] ?? "").json();
    const known = await settingsForBuild(before, settings);
    writeFileSync(configOfBefore(), JSON.stringify(known));
  }

  async function countParked({ books }: TestStack): Promise<number> {
    const [{ count }] = await books.database.run(
      "count what is parked",
      (sql) => sql<[{ count: number }]>`select count(*)::integer as count from parked`,
    );
    return count;
  }

  /** What only this release knows: parked requests, and queues of models. */
  const untilNothingOfThisRelease = ({ books, ...stack }: TestStack): Promise<void> =>
    untilTrue("nothing waits where the other release does not look", DRAINED_LIMIT_MS, async () => {
      const waiting = Object.entries(await books.depths()).filter(
        ([queue, ready]) => ready > 0 && /\.(model\.|parking|wait\.)/.test(queue),
      );
      return waiting.length === 0 && (await countParked({ books, ...stack })) === 0;
    });

  /**
   * As operators are told to: until the last worker went, requests of old gateways were sorted into queues
   * where the other release does not look. Its keeper publishes them anew.
   */
  async function purgeQueuesOfThisRelease({ books: { broker, queues } }: TestStack): Promise<void> {
    const names = [...MODELS.map((model) => queues.requestsOf(model)), queues.parking]
      .map(({ name }) => name)
      .filter((name) => name !== "inference_requests");
    for (const name of names) await broker.withChannel((channel) => channel.purgeQueue(name));
  }

  const untilGoing = async (scene: Scene): Promise<void> => {
    await untilAccepting(scene);
    await untilCompleting(scene);
  };

  scenario(
    "is rolled back to under load, gateways first, and nothing is lost",
    async (scene) => {
      const { stack } = scene;
      await writeConfigOfBefore(stack);
      await untilGoing(scene);

      await roll(stack, stack.gateways, "before");
      await untilNothingOfThisRelease(stack);
      await roll(stack, stack.workers, "before");
      await roll(stack, stack.collectors, "before");
      await purgeQueuesOfThisRelease(stack);

      await untilGoing(scene);
    },
    load,
  );

  scenario(
    "is rolled forward under load, readers first, and nothing is lost and nothing stops",
    async (scene) => {
      const { stack } = scene;
      await untilGoing(scene);

      await roll(stack, stack.collectors, "this");
      await roll(stack, stack.workers, "this");
      // Old gateways still put all models into one queue.
      await untilGoing(scene);
      await roll(stack, stack.gateways, "this");

      await untilGoing(scene);
    },
    load,
  );

  scenario(
    "runs beside this one, half of each role, and nothing is lost",
    async (scene) => {
      const { stack } = scene;
      await untilGoing(scene);
      const halves = [stack.gateways, stack.workers, stack.collectors].map((role) => role.slice(1));

      for (const half of halves) await roll(stack, half, "before");
      await untilGoing(scene);
      await Bun.sleep(SIDE_BY_SIDE_MS);
      await untilGoing(scene);
      for (const half of halves.toReversed()) await roll(stack, half, "this");

      await untilGoing(scene);
    },
    load,
  );
});
