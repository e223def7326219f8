import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import type { AmqpConnection } from "./connection.ts";
import { declareTopology, topology, TopologyMismatchError } from "./topology.ts";

let broker: TestBroker;
let connection: AmqpConnection;

beforeAll(async () => {
  broker = await startTestBroker([100, 60_000]);
  connection = await broker.connect();
});
afterAll(() => broker.stop());

test("equal delays share a queue, and every dead-letter target is declared before its source", () => {
  const { queues, retries } = topology({ prefix: "p.", retryDelaysMs: [100, 500, 100] });

  expect(retries.map((retry) => retry.queue.name)).toEqual([
    "p.inference_requests.retry.100",
    "p.inference_requests.retry.500",
  ]);
  const names = queues.map((queue) => queue.name);
  for (const [index, queue] of queues.entries()) {
    const target = queue.arguments["x-dead-letter-routing-key"] ?? queue.name;
    expect(names.indexOf(String(target))).toBeLessThanOrEqual(index);
  }
});

test("declaring again changes nothing and passes", async () => {
  await declareTopology(connection.withChannel, broker.queues.queues);
});

test("a queue that exists with other arguments is named, with what differs and what to do", async () => {
  const { name, arguments: was } = broker.queues.requests;
  const changed = { name, arguments: { ...was, "x-delivery-limit": 3 } };

  const declared = declareTopology(connection.withChannel, [changed]);

  const error = await declared.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TopologyMismatchError);
  expect(String(error)).toContain(name);
  expect(String(error)).toContain("inequivalent arg 'x-delivery-limit'");
  expect(String(error)).toContain("drain and delete it");
});
