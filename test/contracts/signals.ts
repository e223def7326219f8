import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { Signals } from "../../adapters/redis/signals.ts";
import { newId } from "../support/quota-samples.ts";

export interface SignalsSubject {
  signals: Omit<Signals, "close">;
  /** Cuts the subscribing connection; it comes back by itself. */
  cutSubscription: () => void;
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

/** What announcements between processes promise. Other processes may announce at the same time. */
export function describeSignalsContract(
  name: string,
  makeSubject: () => Promise<SignalsSubject>,
): void {
  describe(`signals: ${name}`, () => {
    let subject: SignalsSubject;
    let signals: SignalsSubject["signals"];
    beforeEach(async () => {
      subject = await makeSubject();
      ({ signals } = subject);
    });
    afterEach(() => subject.stop());

    const nextResubscribed = (): Promise<void> =>
      new Promise((resolve) => {
        const stop = signals.onResubscribed(() => {
          stop();
          resolve();
        });
      });

    test("a batch of ended requests reaches every listener in one message", async () => {
      const ids = Array.from({ length: 500 }, newId);
      const received = [Promise.withResolvers<string[]>(), Promise.withResolvers<string[]>()];
      const subscribed = nextResubscribed();
      for (const { resolve } of received)
        signals.onFinished((batch) => {
          if (batch[0] === ids[0]) resolve(batch);
        });
      await subscribed;

      await signals.announceFinished(ids);

      const heard = await Promise.all(received.map(({ promise }) => promise));
      expect(heard).toEqual([ids, ids]);
    });

    test("cancellations and key changes reach those who listen, each on its own channel", async () => {
      const [requestId, keyHash] = [newId(), newId()];
      const heard: string[] = [];
      const changed = Promise.withResolvers<void>();
      const subscribed = nextResubscribed();
      signals.onCancel((id) => {
        if (id === requestId || id === keyHash) heard.push(`cancel ${id}`);
      });
      signals.onKeyChange((hash) => {
        if (hash === keyHash) changed.resolve();
      });
      await subscribed;

      await signals.announceCancel(requestId);
      await signals.announceKeyChange(keyHash);
      await changed.promise;

      expect(heard).toEqual([`cancel ${requestId}`]);
    });

    test("who has parked requests of which model and class is told once for a batch", async () => {
      const model = newId();
      const [first, second] = [newId(), newId()];
      const heard = Promise.withResolvers<unknown>();
      const subscribed = nextResubscribed();
      signals.onParked((parked) => {
        if (parked[0]?.model === model) heard.resolve(parked);
      });
      await subscribed;

      await signals.announceParked([]);
      await signals.announceParked([
        { model, userId: first, priority: "high" },
        { model, userId: second, priority: "normal" },
        { model, userId: first, priority: "high" },
        { model, userId: first, priority: "low" },
      ]);

      expect(await heard.promise).toEqual([
        { model, userId: first, priority: "high" },
        { model, userId: second, priority: "normal" },
        { model, userId: first, priority: "low" },
      ]);
    });

    test("the model that has changed is told", async () => {
      const model = `m/${newId()}`;
      const heard = Promise.withResolvers<void>();
      const subscribed = nextResubscribed();
      signals.onModelChange((changed) => {
        if (changed === model) heard.resolve();
      });
      await subscribed;

      await signals.announceModelChange(model);

      await heard.promise;
    });

    test("after a lost connection the subscriptions stand again, and listeners are told", async () => {
      const id = newId();
      const received = Promise.withResolvers<void>();
      const subscribed = nextResubscribed();
      signals.onFinished((batch) => {
        if (batch.includes(id)) received.resolve();
      });
      await subscribed;

      const again = nextResubscribed();
      subject.cutSubscription();
      await again;
      await signals.announceFinished([id]);

      await received.promise;
    });

    test("who stops listening hears nothing more", async () => {
      const id = newId();
      const heard: string[] = [];
      const received = Promise.withResolvers<void>();
      const subscribed = nextResubscribed();
      const stop = signals.onCancel((cancelled) => heard.push(cancelled));
      signals.onCancel((cancelled) => {
        if (cancelled === id) received.resolve();
      });
      await subscribed;

      stop();
      await signals.announceCancel(id);
      await received.promise;

      expect(heard).not.toContain(id);
    });

    test("an announcement is refused while the server is away", async () => {
      await subject.setAway(true);

      const refused = await Promise.allSettled([
        signals.announceFinished([newId()]),
        signals.announceCancel(newId()),
        signals.announceKeyChange(newId()),
        signals.announceParked([{ model: newId(), userId: newId(), priority: "normal" }]),
        signals.announceModelChange(newId()),
      ]);
      await subject.setAway(false);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "QUOTA_UNAVAILABLE" } });
    });
  });
}
