/**
 * What the manifests say of RabbitMQ, tried on one with a management API: KEDA's trigger as KEDA asks it, and
 * the permissions of the users of the production overlay.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type AmqpConnection, connectAmqp } from "../../adapters/amqp/connection.ts";
import { encodeRequest, encodeResult } from "../../adapters/amqp/messages.ts";
import { createPublisher, type Publisher } from "../../adapters/amqp/publisher.ts";
import { declareTopology, topology } from "../../adapters/amqp/topology.ts";
import { findBinaries } from "../../local/servers/binaries.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { collectDeliveries } from "../support/broker.ts";
import { type ManagedRabbitmq, startManagedRabbitmq } from "../support/managed-rabbitmq.ts";
import { requestOf, RESULT, SIGNATURES } from "../support/message-samples.ts";
import { until } from "../support/until.ts";
import { built } from "./built.ts";
import { countMessages, type Management } from "./keda.ts";
import {
  ofKind,
  type Permission,
  type RabbitmqUserResource,
  type ScaledObject,
} from "./resources.ts";

const START_LIMIT_MS = 100_000;
const CONNECT_LIMIT_MS = 10_000;
/** RabbitMQ counts once a second here. */
const COUNT_LIMIT_MS = 10_000;

const hasRabbitmq = findBinaries(process.env["PATH"] ?? "").rabbitmq !== undefined;
const canRun = hasRabbitmq && built !== null;
if (!hasRabbitmq) console.warn("SKIPPED, the users of RabbitMQ are not tried: no rabbitmq-server");

const QUEUES = topology({
  prefix: "",
  defaultModel: "healthy",
  models: ["healthy", "other", "idle"],
  retryDelaysMs: [200],
});

describe.skipIf(!canRun)("RabbitMQ as the production overlay sets it up", () => {
  const resources = built?.["overlays/production"] ?? [];
  let rabbitmq: ManagedRabbitmq;
  let management: Management;
  let connection: AmqpConnection;
  let publisher: Publisher;

  /** The user of a name in the overlay, made with its tags and permissions. */
  async function addUser(name: string) {
    const user = ofKind<RabbitmqUserResource>(resources, "User").find(
      ({ metadata }) => metadata.name === name,
    );
    const permission = ofKind<Permission>(resources, "Permission").find(
      ({ spec }) => spec.userReference?.name === name,
    );
    if (user === undefined || permission === undefined) throw new Error(`there is no user ${name}`);
    const { tags = [] } = user.spec;
    // The operator too chooses the real name; `tollgate` is the administrator here.
    const { permissions } = permission.spec;
    return rabbitmq.addUser(`${name}-of-operator`, { tags, permissions });
  }

  beforeAll(async () => {
    rabbitmq = await startManagedRabbitmq();
    const { username, password } = await addUser("keda");
    management = { url: rabbitmq.managementUrl, username, password };
    const { amqpUrl } = await addUser("tollgate");
    connection = connectAmqp({ url: amqpUrl, heartbeatSeconds: 20, name: "test", log: silentLog });
    await connection.whenUp(CONNECT_LIMIT_MS);
    publisher = createPublisher(connection, {
      channels: 1,
      messagesMax: 100,
      bytesMax: 1_000_000,
      confirmTimeoutMs: 5_000,
      signatures: SIGNATURES,
    });
    await declareTopology(connection.withChannel, QUEUES.queues);
  }, START_LIMIT_MS);
  afterAll(async () => {
    await publisher?.close();
    await connection?.close();
    await rabbitmq?.remove();
  }, START_LIMIT_MS);

  test("Tollgate's user may publish to every queue, consume it, and let retries come back", async () => {
    const other = QUEUES.requestsOf("other").name;
    const [wait] = QUEUES.waits;
    const queues = [QUEUES.requests, QUEUES.parking, QUEUES.requestsDead].map(({ name }) => name);
    for (const queue of queues) await publisher.publish(queue, encodeRequest(requestOf(10)));
    await publisher.publish(QUEUES.results.name, encodeResult(RESULT));
    await publisher.publishThrough(wait?.exchange ?? "", other, encodeRequest(requestOf(10)));

    for (const queue of [...queues, QUEUES.results.name, other]) {
      const { deliveries, consumer } = collectDeliveries(connection, queue);
      await until(() => deliveries.length === 1, 5_000);
      for (const delivery of deliveries) delivery.ack();
      await consumer.close();
    }
  });

  test("Tollgate's user may not make a queue of another name", async () => {
    const refused = await connection
      .withChannel((channel) => channel.assertQueue("somebody_elses"))
      .catch((error: unknown) => error);

    expect(String((refused as Error).cause)).toContain("ACCESS_REFUSED");
  });

  test("KEDA's user counts what all models have, unacknowledged messages too, and nothing else", async () => {
    const [trigger] = ofKind<ScaledObject>(resources, "ScaledObject")
      .flatMap(({ spec }) => spec.triggers)
      .filter(({ type }) => type === "rabbitmq");
    if (trigger === undefined) throw new Error("no trigger asks RabbitMQ");
    const send = async (queue: string, count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1)
        await publisher.publish(queue, encodeRequest(requestOf(10)));
    };
    await send(QUEUES.requests.name, 5);
    await send(QUEUES.requestsOf("other").name, 3);
    for (const { name } of [QUEUES.parking, QUEUES.requestsDead, QUEUES.results])
      await send(name, 7);
    const { deliveries, consumer } = collectDeliveries(connection, QUEUES.requests.name, {
      prefetch: 2,
    });
    await until(() => deliveries.length === 2, 5_000);

    // RabbitMQ's counts come late.
    await untilTrue("KEDA counts 8", COUNT_LIMIT_MS, async () => {
      await Bun.sleep(200);
      return (await countMessages(trigger, management)) === 8;
    });

    for (const delivery of deliveries) delivery.ack();
    await untilTrue("KEDA counts what is left", COUNT_LIMIT_MS, async () => {
      await Bun.sleep(200);
      for (const delivery of deliveries.splice(0)) delivery.ack();
      return (await countMessages(trigger, management)) === 3;
    });
    await consumer.close();
  });
});
