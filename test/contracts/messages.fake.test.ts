import { topology } from "../../adapters/amqp/topology.ts";
import { createFakeClock } from "../support/clock.ts";
import { createFakeBroker } from "../support/fakes/broker.ts";
import { createFakeMessages, type FakeMessage } from "../support/fakes/messages.ts";
import { MODEL } from "../support/message-samples.ts";
import { describeMessagesContract } from "./messages.ts";
import { LONG_STEP_MS, type MessagesSubject, STEP_MS } from "./messages-subject.ts";
import { describeModelQueuesContract } from "./model-queues.ts";

const makeSubject = async (): Promise<MessagesSubject> => {
  const clock = createFakeClock(0);
  const queues = topology({
    prefix: "",
    defaultModel: "default",
    models: [MODEL],
    retryDelaysMs: [STEP_MS, LONG_STEP_MS],
  });
  const named = { ...queues, requests: queues.requestsOf(MODEL) };
  const broker = createFakeBroker<FakeMessage>(clock, queues.queues);
  return {
    ...createFakeMessages(broker, queues),
    publishUnreadable: (queue, message) =>
      broker.publish(named[queue].name, { kind: "unreadable", ...message }),
    ready: async (queue) => broker.ready(named[queue].name).length,
    cutConsumers: () => {
      broker.setAway(true);
      broker.setAway(false);
    },
    setAway: async (isAway) => broker.setAway(isAway),
    until: async (isTrue) => {
      for (let tries = 0; !(await isTrue()); tries += 1) {
        if (tries === 100) throw new Error("it did not come true");
        await clock.advance(10);
      }
    },
    stop: async () => {},
  };
};

describeMessagesContract("the fake", makeSubject);
describeModelQueuesContract("the fake", makeSubject);
