import { afterAll, describe, expect } from "bun:test";

import { serverUrls } from "../servers.ts";
import { untilTrue } from "../stack/eventually.ts";
import { hasServerPrograms } from "../stack/private-servers.ts";
import {
  countCompleted,
  countUnconfirmed,
  untilAccepting,
  untilCompleting,
} from "./progress.ts";
import { scenariosOnStack } from "./scenarios.ts";
import { type RabbitmqCluster, startRabbitmqCluster } from "./servers/rabbitmq-cluster.ts";

const REMOVE_LIMIT_MS = 30_000;
/** A node that returns needs its turn on two cores. */
const SCENARIO_LIMIT_MS = 150_000;
const OUTBOX_LIMIT_MS = 20_000;
/** Longer than confirms are waited for, so that what is not confirmed is published again and again. */
const WITHOUT_QUORUM_MS = 5_000;

// Where only containers run, there is nothing to send a signal to.
describe.skipIf(!hasServerPrograms())("with three nodes of RabbitMQ", () => {
  let started: RabbitmqCluster | undefined;
  const scenario = scenariosOnStack(async () => {
    started = await startRabbitmqCluster();
    return { servers: { ...serverUrls(), amqp: started.url } };
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

  scenario(
    "a node of RabbitMQ that leads the queues dies under load, the work goes on without it, and nothing is lost",
    async (scene) => {
      const { leader } = await lookAtQueues();
      await untilAccepting(scene);
      await cluster().kill([leader]);
      await untilAccepting(scene);
      await untilCompleting(scene);
      await cluster().restart([leader]);
      await untilCompleting(scene);
    },
    { limitMs: SCENARIO_LIMIT_MS },
  );

  scenario(
    "RabbitMQ loses its quorum under load: requests are accepted, and run once it is back",
    async (scene) => {
      const { leader, followers } = await lookAtQueues();
      const [survivor = "", ...others] = followers;
      await untilCompleting(scene);
      await cluster().kill([leader, ...others]);
      await untilAccepting(scene);
      await Bun.sleep(WITHOUT_QUORUM_MS);
      const completed = await countCompleted(scene.stack);
      await untilTrue(
        "requests wait in the outbox",
        OUTBOX_LIMIT_MS,
        async () => (await countUnconfirmed(scene.stack)) > 50,
      );
      // Nothing is confirmed or delivered by the one that is left.
      expect(survivor).not.toBe(leader);
      expect(await countCompleted(scene.stack)).toBe(completed);
      await cluster().restart([leader, ...others]);
      await untilCompleting(scene);
    },
    { limitMs: SCENARIO_LIMIT_MS },
  );
});
