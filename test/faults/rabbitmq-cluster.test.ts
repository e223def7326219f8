import { afterAll, describe, expect } from "bun:test";

import { serverUrls } from "../support/servers.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { countCompleted, untilAccepting, untilCompleting, untilRefusing } from "./progress.ts";
import { scenariosOnStack } from "./scenarios.ts";
import { type RabbitmqCluster, startRabbitmqCluster } from "./servers/rabbitmq-cluster.ts";

const REMOVE_LIMIT_MS = 30_000;
/** A node that returns needs its turn on two cores. */
const SCENARIO_LIMIT_MS = 150_000;
/** The outbox of each gateway; the load fills it within seconds. */
const OUTBOX_MAX = 250;
/** Longer than a gateway waits for a confirm, so that it publishes again what was not confirmed. */
const WITHOUT_QUORUM_MS = 3_000;

// Where only containers run, there is no process to send a signal to.
describe.skipIf(!hasServerPrograms())("with three nodes of RabbitMQ", () => {
  let started: RabbitmqCluster | undefined;
  const scenario = scenariosOnStack(async () => {
    started = await startRabbitmqCluster();
    return {
      servers: { ...serverUrls(), amqp: started.url },
      settings: { gateway: { outbox_max: OUTBOX_MAX } },
    };
  });
  afterAll(() => started?.remove(), REMOVE_LIMIT_MS);

  function cluster(): RabbitmqCluster {
    if (started === undefined) throw new Error("the cluster did not start");
    return started;
  }

  /** The node that leads the requests, and the others. */
  async function lookAtQueues(): Promise<{ leader: string; followers: string[] }> {
    const queues = await cluster().queues();
    expect(queues.length).toBeGreaterThan(4);
    for (const { members } of queues) expect(members.toSorted()).toEqual([...cluster().nodes]);
    const leader = queues.find(({ name }) => name.endsWith("inference_requests"))?.leader ?? "";
    return { leader, followers: cluster().nodes.filter((node) => node !== leader) };
  }

  /** Runs `act` with killed nodes; they are back when this has ended, however it ended. */
  async function without(nodes: readonly string[], act: () => Promise<void>): Promise<void> {
    await cluster().kill(nodes);
    try {
      await act();
    } finally {
      await cluster().restart(nodes);
    }
  }

  scenario(
    "the node that leads the queues dies under load; the work goes on, and nothing is lost",
    async (scene) => {
      const { leader } = await lookAtQueues();
      await untilAccepting(scene);
      await without([leader], async () => {
        await untilAccepting(scene);
        await untilCompleting(scene);
      });
      await untilCompleting(scene);
    },
    { limitMs: SCENARIO_LIMIT_MS },
  );

  scenario(
    "without a quorum requests are accepted until the outbox is full, then refused, and run once it is back",
    async (scene) => {
      const { leader, followers } = await lookAtQueues();
      await untilCompleting(scene);
      await without([leader, ...followers.slice(1)], async () => {
        await untilAccepting(scene);
        await untilRefusing(scene, "OUTBOX_FULL");
        // The one that is left takes and gives nothing, so there is nothing to do.
        const completed = await countCompleted(scene.stack);
        await Bun.sleep(WITHOUT_QUORUM_MS);
        expect(await countCompleted(scene.stack)).toBe(completed);
      });
      await untilCompleting(scene);
    },
    { limitMs: SCENARIO_LIMIT_MS },
  );
});
