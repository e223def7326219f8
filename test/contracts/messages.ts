import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { ResultDelivery } from "../../collector/ports.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Delivery } from "../../workers/ports.ts";
import { MODEL, requestOf, RESULT } from "../support/message-samples.ts";
import { LONG_STEP_MS, type MessagesSubject, STEP_MS } from "./messages-subject.ts";

/** What RabbitMQ and our queues in it promise to the services. */
export function describeMessagesContract(
  name: string,
  makeSubject: () => Promise<MessagesSubject>,
): void {
  let subject: MessagesSubject;
  const use = (): void => {
    beforeEach(async () => {
      subject = await makeSubject();
    });
    afterEach(() => subject.stop());
  };

  /** A worker that settles nothing by itself. */
  async function startWorker(prefetch = 100) {
    const deliveries: Delivery[] = [];
    const onDelivery = (delivery: Delivery): void => void deliveries.push(delivery);
    const consumer = await subject.worker.consume(MODEL, prefetch, onDelivery);
    return { deliveries, consumer };
  }

  async function startCollector(prefetch = 100) {
    const deliveries: ResultDelivery[] = [];
    const onDelivery = (delivery: ResultDelivery): void => void deliveries.push(delivery);
    const consumer = await subject.collector(prefetch).consumeResults(onDelivery);
    return { deliveries, consumer };
  }

  async function publish(count: number): Promise<QueuedRequest[]> {
    const requests = Array.from({ length: count }, () => requestOf(10));
    await Promise.all(requests.map(subject.gateway.publish));
    return requests;
  }

  const idOf = (delivery: Delivery | undefined): string | undefined =>
    delivery?.decoded.ok ? delivery.decoded.request.head.requestId : undefined;
  const countsOf = ({ deliveryCount, redelivered }: Delivery) => ({ deliveryCount, redelivered });
  const AGAIN = { deliveryCount: 1, redelivered: true };
  const NEW = { deliveryCount: 0, redelivered: false };

  describe(`messages: ${name}`, () => {
    use();

    test("a request reaches a worker as it was published, in the order of publishing", async () => {
      const requests = await publish(3);
      const { deliveries } = await startWorker();

      await subject.until(() => deliveries.length === 3);

      const decoded = deliveries.map((delivery) => delivery.decoded);
      const bytes = ({ payload, ...request }: QueuedRequest) => ({
        ...request,
        payload: [...payload],
      });
      expect(decoded.map((one) => one.ok && bytes(one.request))).toEqual(requests.map(bytes));
      expect(deliveries.map(countsOf)).toEqual([NEW, NEW, NEW]);
    });

    test("a result reaches a collector as it was published", async () => {
      await subject.worker.publishResult(RESULT);
      const { deliveries } = await startCollector();

      await subject.until(() => deliveries.length === 1);

      const { result, ...rest } = RESULT;
      const [decoded] = deliveries.map((delivery) => delivery.decoded);
      expect(decoded).toMatchObject({ kind: "result", result: rest });
      const received = decoded?.kind === "result" ? decoded.result.result : null;
      expect([...(received ?? [])]).toEqual([...(result ?? [])]);
    });

    test("a publish resolves when the message is in its queue", async () => {
      await publish(5);

      await subject.until(async () => (await subject.ready("requests")) === 5);
    });

    test("no more than the prefetch is delivered ahead of the acks", async () => {
      const requests = await publish(5);
      const { deliveries } = await startWorker(2);
      await subject.until(() => deliveries.length === 2);
      await subject.until(async () => (await subject.ready("requests")) === 3);

      deliveries[1]?.ack();
      await subject.until(() => deliveries.length === 3);

      const ids = requests.map(({ head }) => head.requestId);
      expect(deliveries.map(idOf)).toEqual(ids.slice(0, 3));
      expect(await subject.ready("requests")).toBe(2);
    });

    test("acks in any order take what was acked, and settling twice does nothing", async () => {
      await publish(6);
      const { deliveries, consumer } = await startWorker();
      await subject.until(() => deliveries.length === 6);

      for (const index of [2, 0, 5]) deliveries[index]?.ack();
      deliveries[2]?.requeue();
      deliveries[0]?.reject();
      await consumer.close();

      await subject.until(async () => (await subject.ready("requests")) === 3);
      expect(await subject.ready("results")).toBe(0);
    });

    test("what is given back comes again, counted, before what came later", async () => {
      const [first, second] = await publish(2);
      const { deliveries } = await startWorker(1);
      await subject.until(() => deliveries.length === 1);

      deliveries[0]?.requeue();
      await subject.until(() => deliveries.length === 2);
      deliveries[1]?.ack();
      await subject.until(() => deliveries.length === 3);

      const ids = [first, first, second].map((request) => request?.head.requestId);
      expect(deliveries.map(idOf)).toEqual(ids);
      expect(deliveries.map(countsOf)).toEqual([NEW, AGAIN, NEW]);
    });

    test("what a worker leaves unsettled goes to the next one, counted", async () => {
      const [acked, open] = await publish(2);
      const first = await startWorker();
      await subject.until(() => first.deliveries.length === 2);
      first.deliveries[0]?.ack();
      await first.consumer.close();

      const second = await startWorker();
      await subject.until(() => second.deliveries.length === 1);

      expect(first.deliveries.map(idOf)).toContain(acked?.head.requestId);
      expect(second.deliveries.map(idOf)).toEqual([open?.head.requestId]);
      expect(second.deliveries.map(countsOf)).toEqual([AGAIN]);
    });

    test("a channel that is lost takes its deliveries with it: they come again, counted", async () => {
      await publish(2);
      const { deliveries } = await startWorker();
      await subject.until(() => deliveries.length === 2);
      const before = [...deliveries];

      subject.cutConsumers();
      await subject.until(() => deliveries.length === 4);
      for (const delivery of before) delivery.ack();

      expect(before.map(({ lost }) => lost.aborted)).toEqual([true, true]);
      const again = deliveries.slice(2);
      expect(again.map(countsOf)).toEqual([AGAIN, AGAIN]);
      expect(new Set(again.map(idOf))).toEqual(new Set(before.map(idOf)));
      subject.cutConsumers();
      await subject.until(() => deliveries.length === 6);
    });

    test("a paused consumer gets nothing more, and can settle what it owns", async () => {
      await publish(1);
      const { deliveries, consumer } = await startWorker();
      await subject.until(() => deliveries.length === 1);

      await consumer.setPrefetch(0);
      await publish(3);
      await subject.until(async () => (await subject.ready("requests")) === 3);
      deliveries[0]?.ack();
      await consumer.close();

      expect(deliveries).toHaveLength(1);
      expect(await subject.ready("requests")).toBe(3);
    });
  });

  describe(`a request that is not done: ${name}`, () => {
    use();

    test("comes back after its delay as the attempt that it was published as, and as new", async () => {
      const request = { ...requestOf(10), attempt: 2 };
      const { deliveries } = await startWorker();

      await subject.worker.publishRetry(request, { stepMs: STEP_MS, expirationMs: STEP_MS });
      const early = deliveries.length;
      await subject.until(() => deliveries.length === 1);

      expect(early).toBe(0);
      expect(deliveries.map(countsOf)).toEqual([NEW]);
      expect(deliveries[0]?.decoded).toMatchObject({ ok: true, request: { attempt: 2 } });
    });

    test("comes back before the delay of its queue when it is told so", async () => {
      const { deliveries } = await startWorker();

      const delay = { stepMs: LONG_STEP_MS, expirationMs: 50 };
      await subject.worker.publishRetry(requestOf(10), delay);

      await subject.until(() => deliveries.length === 1);
    });

    test("does not come back before one in front of it in the same delay queue", async () => {
      const [patient, hasty] = [requestOf(10), requestOf(10)];
      const { deliveries } = await startWorker();

      await subject.worker.publishRetry(patient, { stepMs: LONG_STEP_MS, expirationMs: 300 });
      await subject.worker.publishRetry(hasty, { stepMs: LONG_STEP_MS, expirationMs: 50 });
      await subject.until(() => deliveries.length === 2);

      const ids = [patient, hasty].map(({ head }) => head.requestId);
      expect(deliveries.map(idOf)).toEqual(ids);
    });

    test("is new at the end of the queue when it is published again", async () => {
      await publish(2);
      const { deliveries } = await startWorker(1);
      await subject.until(() => deliveries.length === 1);
      const [first] = deliveries;
      if (first?.decoded.ok !== true) throw new Error("it cannot be read");

      await subject.worker.publishAgain(first.decoded.request);
      first.ack();
      await subject.until(() => deliveries.length === 2);
      deliveries[1]?.ack();
      await subject.until(() => deliveries.length === 3);

      expect(idOf(deliveries[2])).toBe(idOf(first));
      expect(deliveries.map(countsOf)).toEqual([NEW, NEW, NEW]);
    });

    test("reaches the collector as poisoned when it comes back more than 20 times", async () => {
      const [request] = await publish(1);
      let times = 0;
      await subject.worker.consume(MODEL, 1, (delivery) => {
        times += 1;
        delivery.requeue();
      });
      const { deliveries } = await startCollector();

      await subject.until(() => deliveries.length === 1);

      expect(times).toBe(21);
      const { head } = request ?? requestOf(1);
      expect(deliveries[0]?.decoded).toMatchObject({ kind: "poisoned-request", request: { head } });
    });

    test("reaches the collector when a worker rejects it, readable or not", async () => {
      const [request] = await publish(1);
      const { requestId } = requestOf(1).head;
      const unreadable = { type: "request", requestId, isNewer: false } as const;
      await subject.publishUnreadable("requests", unreadable);
      const worker = await startWorker();
      await subject.until(() => worker.deliveries.length === 2);

      for (const delivery of worker.deliveries) delivery.reject();
      const { deliveries } = await startCollector();
      await subject.until(() => deliveries.length === 2);

      expect(worker.deliveries[1]?.decoded).toMatchObject({ ok: false, isNewer: false });
      const decoded = new Map(deliveries.map((one) => [one.decoded.kind, one.decoded]));
      const { head } = request ?? requestOf(1);
      expect(decoded.get("poisoned-request")).toMatchObject({ request: { head } });
      expect(decoded.get("unreadable")).toMatchObject({ what: "request", requestId });
    });

    test("lies among the dead requests as often as somebody published it there", async () => {
      const error = { code: "UPSTREAM_FAILED", message: "the ML service failed" } as const;
      const reason = { ...error, attempts: 3, diedAtMs: 1_795_302_775_500 };

      await subject.worker.publishDead(requestOf(10), reason);
      await subject.collector(1).publishDeadRequest(requestOf(10), error);

      await subject.until(async () => (await subject.ready("requestsDead")) === 2);
    });

    test("can be published by the keeper as by a gateway", async () => {
      const request = requestOf(10);
      const { deliveries } = await startWorker();

      await subject.collector(1).publishRequest(request);
      await subject.until(() => deliveries.length === 1);

      expect(idOf(deliveries[0])).toBe(request.head.requestId);
    });
  });

  describe(`a message that cannot be read: ${name}`, () => {
    use();

    test("is told from one of a newer version, and if rejected lies among the dead results", async () => {
      const { requestId } = RESULT.head;
      for (const isNewer of [false, true])
        await subject.publishUnreadable("results", { type: "result", requestId, isNewer });
      const { deliveries } = await startCollector();
      await subject.until(() => deliveries.length === 2);

      for (const delivery of deliveries) delivery.reject();

      expect(deliveries.map(({ decoded }) => decoded)).toMatchObject([
        { kind: "unreadable", what: "result", requestId },
        { kind: "newer" },
      ]);
      await subject.until(async () => (await subject.ready("resultsDead")) === 2);
    });

    test("can be published unchanged by a worker: then it is new, and behind the others", async () => {
      const { requestId } = requestOf(1).head;
      await subject.publishUnreadable("requests", { type: "request", requestId, isNewer: true });
      await publish(1);
      const { deliveries } = await startWorker(1);
      await subject.until(() => deliveries.length === 1);
      deliveries[0]?.requeue();
      await subject.until(() => deliveries.length === 2);

      await deliveries[1]?.publishUnchanged();
      deliveries[1]?.ack();
      await subject.until(() => deliveries.length === 3);
      deliveries[2]?.ack();
      await subject.until(() => deliveries.length === 4);

      const readable = deliveries.map(({ decoded }) => decoded.ok || decoded.isNewer);
      expect(readable).toEqual([true, true, true, true]);
      expect(deliveries.map(({ decoded }) => decoded.ok)).toEqual([false, false, true, false]);
      expect(deliveries.map(countsOf)).toEqual([NEW, AGAIN, NEW, NEW]);
    });

    test("can be published unchanged by a collector", async () => {
      const { requestId } = RESULT.head;
      await subject.publishUnreadable("results", { type: "result", requestId, isNewer: true });
      await subject.worker.publishResult(RESULT);
      const { deliveries } = await startCollector(1);
      await subject.until(() => deliveries.length === 1);

      await deliveries[0]?.publishUnchanged();
      deliveries[0]?.ack();
      await subject.until(() => deliveries.length === 2);
      deliveries[1]?.ack();
      await subject.until(() => deliveries.length === 3);

      expect(deliveries.map(({ decoded }) => decoded.kind)).toEqual(["newer", "result", "newer"]);
    });
  });

  describe(`a broker that is away: ${name}`, () => {
    use();

    test("takes nothing and says so, and takes everything when it is back", async () => {
      const delay = { stepMs: STEP_MS, expirationMs: STEP_MS };
      const error = { code: "UPSTREAM_FAILED", message: "the ML service failed" } as const;
      await subject.setAway(true);
      const isUp = subject.gateway.brokerUp();

      const refused = await Promise.allSettled([
        subject.gateway.publish(requestOf(10)),
        subject.worker.publishAgain(requestOf(10)),
        subject.worker.publishRetry(requestOf(10), delay),
        subject.worker.publishResult(RESULT),
        subject.worker.publishDead(requestOf(10), { ...error, attempts: 1, diedAtMs: 1 }),
        subject.collector(1).publishDeadRequest(requestOf(10), error),
      ]);
      await subject.setAway(false);
      await publish(1);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "BROKER_UNAVAILABLE" } });
      expect([isUp, subject.gateway.brokerUp()]).toEqual([false, true]);
      await subject.until(async () => (await subject.ready("requests")) === 1);
      expect(await subject.ready("results")).toBe(0);
    });
  });
}
