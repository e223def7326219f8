import { afterAll, describe, expect } from "bun:test";

import { untilAccepting, untilCompleting } from "../faults/progress.ts";
import { type Scene, scenariosOnStack } from "../faults/scenarios.ts";
import { canMakeMachines, type Machine } from "../support/machine-group.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { type RabbitmqGroup, startRabbitmqGroup } from "../support/rabbitmq-group.ts";
import { serverUrls } from "../support/servers.ts";
import { watchAccepts, watchCompletions } from "./gap.ts";

const REMOVE_LIMIT_MS = 30_000;
const limitMs = 240_000;
/** What is not published yet lies in the outbox meanwhile. */
const ACCEPTS_GAP_MAX_MS = 2_500;
/** A node is taken for dead after 8 s of silence; then its queues get other leaders. */
const COMPLETIONS_GAP_MAX_MS = 30_000;

const isPossible = hasServerPrograms() && (await canMakeMachines("groups of RabbitMQ"));

describe.skipIf(!isPossible)("with three nodes of RabbitMQ, by a URL for each", () => {
  let group: RabbitmqGroup | undefined;
  const scenario = scenariosOnStack(async () => {
    group = await startRabbitmqGroup();
    const [url = "", ...more] = group.urls;
    return {
      servers: { ...serverUrls(), amqp: url },
      settings: { allow_plaintext: true, amqp: { more_urls: more } },
    };
  });
  afterAll(() => group?.remove(), REMOVE_LIMIT_MS);

  /** Without the node that leads the queue of requests; what is done last, `back`, is done under load too. */
  async function failOver(
    scene: Scene,
    what: string,
    act: (leader: Machine) => Promise<void> | void,
    back: (on: RabbitmqGroup, leader: Machine) => Promise<void>,
  ): Promise<void> {
    if (group === undefined) throw new Error("RabbitMQ did not start");
    await untilCompleting(scene);
    const leader = await group.leader();
    const accepts = watchAccepts(scene.load);
    const completions = watchCompletions(scene.stack);
    await act(leader);
    await untilAccepting(scene);
    await untilCompleting(scene);
    await back(group, leader);
    await untilCompleting(scene);
    const [acceptsMs, completionsMs] = [await accepts.stop(), await completions.stop()];
    process.stdout.write(
      `${what}: nothing was accepted for ${acceptsMs} ms, nothing was completed for ${completionsMs} ms\n`,
    );
    expect(acceptsMs).toBeLessThan(ACCEPTS_GAP_MAX_MS);
    expect(completionsMs).toBeLessThan(COMPLETIONS_GAP_MAX_MS);
  }

  const reconnect = (on: RabbitmqGroup, leader: Machine): Promise<void> => {
    leader.reconnect();
    return on.untilBack(leader);
  };

  scenario(
    "the node that leads the queues dies under load with its machine, and comes back",
    (scene) =>
      failOver(
        scene,
        "node killed",
        (leader) => leader.powerOff(),
        (on) => on.revive(),
      ),
    { limitMs },
  );

  scenario(
    "the node that leads the queues freezes under load, goes on, and is started anew, as it has to be",
    (scene) =>
      failOver(
        scene,
        "node frozen",
        (leader) => leader.freeze(),
        async (on, leader) => {
          leader.thaw();
          await untilCompleting(scene);
          // `pause_minority` does not see that it was away: RabbitMQ leaves it out until somebody does this.
          await leader.powerOff();
          await on.revive();
        },
      ),
    { limitMs },
  );

  scenario(
    "the node that leads the queues lives, but nobody reaches it any more, until it is back",
    (scene) => failOver(scene, "node cut off", (leader) => leader.cutOff("nobody"), reconnect),
    { limitMs },
  );

  scenario(
    "the node that leads the queues lives, cut off from the other nodes alone: its clients leave it",
    (scene) =>
      failOver(
        scene,
        "node cut off from the others",
        (leader) => leader.cutOff("the test"),
        reconnect,
      ),
    { limitMs },
  );
});
