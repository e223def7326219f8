import { createDepthReader } from "../../adapters/amqp/depth-reader.ts";
import { createDelayQueues } from "../../adapters/amqp/delay-queues.ts";
import { purge, queueDepths } from "../../adapters/amqp/inspect.ts";
import { encodeRequest, encodeResult } from "../../adapters/amqp/messages.ts";
import { createPublisher } from "../../adapters/amqp/publisher.ts";
import { messagePorts as collectorPorts } from "../../collector/wiring/messages.ts";
import { messagePorts as workerPorts } from "../../workers/wiring/messages.ts";
import { startTestBroker } from "../support/broker.ts";
import { silentLog } from "../../runtime/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { MODEL, requestOf, RESULT, SIGNATURES } from "../support/message-samples.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { describeMessagesContract } from "./messages.ts";
import { LONG_STEP_MS, type MessagesSubject, STEP_MS } from "./messages-subject.ts";
import { describeModelQueuesContract } from "./model-queues.ts";

const makeSubject = async (): Promise<MessagesSubject> => {
  const broker = await startTestBroker([STEP_MS, LONG_STEP_MS], [MODEL]);
  const { queues } = broker;
  const named = { ...queues, requests: queues.requestsOf(MODEL) };
  const observer = await broker.connect();
  const consumers = await startTcpProxy(broker.url);
  const publishers = await startTcpProxy(broker.url);
  const consuming = await broker.connect({ url: consumers.url });
  const publishing = await broker.connect({ url: publishers.url });
  const window = {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
  };
  const publisher = createPublisher(publishing, window);
  const undisturbed = createPublisher(observer, window);
  const depths = createDepthReader(publishing);
  const delays = createDelayQueues(publishing, { prefix: broker.prefix });

  return {
    gateway: {
      publish: (request) => publisher.publish(named.requests.name, encodeRequest(request)),
      brokerUp: () => publishing.state() === "up",
    },
    worker: workerPorts({
      consuming,
      publisher,
      delays,
      queues: () => queues,
      signatures: SIGNATURES,
      gatherResults: (publish) => publish(),
    }),
    collector: (prefetch) =>
      collectorPorts({
        consuming,
        publishing,
        publisher,
        depths,
        queues: () => queues,
        prefetch,
        signatures: SIGNATURES,
        metrics: silentMetrics(),
        log: silentLog,
      }),
    publishUnreadable: (queue, { type, requestId, isNewer }) => {
      const message = type === "request" ? encodeRequest(requestOf(10)) : encodeResult(RESULT);
      const headers = isNewer ? { ...message.headers, version: 9 } : { version: 1 };
      const odd = { ...message, messageId: requestId, headers };
      return undisturbed.publish(named[queue].name, odd);
    },
    ready: async (queue) => {
      const { name } = named[queue];
      return (await queueDepths(observer, [name])).get(name)?.ready ?? 0;
    },
    cutConsumers: consumers.cut,
    setAway: async (isAway) => {
      if (isAway) publishers.refuse();
      else publishers.heal();
      if (isAway) await until(() => publishing.state() === "down", 5_000);
      else await publishing.whenUp(5_000);
    },
    until: (isTrue) => until(isTrue, 10_000),
    stop: async () => {
      await Promise.all([publisher.close(), undisturbed.close()]);
      for (const { name } of queues.queues) await purge(observer, name);
      await broker.stop();
      await Promise.all([consumers.stop(), publishers.stop()]);
    },
  };
};

describeMessagesContract("RabbitMQ", makeSubject);
describeModelQueuesContract("RabbitMQ", makeSubject);
