import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Consumer, Delivery } from "../../workers/ports.ts";
import { MODEL, requestOf } from "../support/message-samples.ts";
import { type MessagesSubject, STEP_MS } from "./messages-subject.ts";

/** What the queues of the models promise to workers: each model apart. */
export function describeModelQueuesContract(
  name: string,
  makeSubject: () => Promise<MessagesSubject>,
): void {
  describe(`the queues of models: ${name}`, () => {
    let subject: MessagesSubject;
    beforeEach(async () => {
      subject = await makeSubject();
    });
    afterEach(() => subject.stop());

    /** Settles nothing by itself. */
    async function consume(
      model: string,
      prefetch: number,
    ): Promise<{ ids: string[]; consumer: Consumer }> {
      const ids: string[] = [];
      const onDelivery = ({ decoded }: Delivery): void => {
        if (decoded.ok) ids.push(decoded.request.head.requestId);
      };
      return { ids, consumer: await subject.worker.consume(model, prefetch, onDelivery) };
    }

    const idOf = ({ head }: QueuedRequest): string => head.requestId;
    const DELAY = { stepMs: STEP_MS, expirationMs: STEP_MS };

    test("a request that is tried again comes to the queue of its own model and to no other", async () => {
      const [own, other] = [requestOf(10), requestOf(10)];
      const ofOther = { ...other, head: { ...other.head, model: "default" } };
      const [ours, others] = [await consume(MODEL, 100), await consume("default", 100)];

      await subject.worker.publishRetry(own, DELAY);
      await subject.worker.publishRetry(ofOther, DELAY);
      await subject.worker.publishAgain(own);
      await subject.worker.publishAgain(ofOther);
      await subject.until(() => ours.ids.length === 2 && others.ids.length === 2);

      expect(ours.ids).toEqual([idOf(own), idOf(own)]);
      expect(others.ids).toEqual([idOf(other), idOf(other)]);
    });

    test("a request that is put off is in no worker's way, nor is it lost", async () => {
      const { ids } = await consume(MODEL, 100);

      await subject.worker.publishPutOff({ ...requestOf(10), attempt: 2 });

      expect(await subject.ready("parking")).toBe(1);
      expect(ids).toEqual([]);
    });

    test("how many requests a worker may own changes while it owns some", async () => {
      for (let request = 0; request < 3; request += 1) await subject.gateway.publish(requestOf(10));
      const { ids, consumer } = await consume(MODEL, 1);
      await subject.until(() => ids.length === 1);

      await consumer.setPrefetch(2);
      await subject.until(() => ids.length === 2);

      expect(await subject.ready("requests")).toBe(1);
    });
  });
}
