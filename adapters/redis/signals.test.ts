import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { redisUrl } from "../../test/support/servers.ts";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import type { RedisConnection } from "./connection.ts";
import { connectForTest, newId, silent } from "../../test/support/redis.ts";
import { createSignals, type Signals } from "./signals.ts";

setDefaultTimeout(10_000);

let proxy: TcpProxy;
let redis: RedisConnection;
let signals: Signals;

beforeEach(async () => {
  proxy = await startTcpProxy(redisUrl());
  redis = await connectForTest();
  const options = { url: proxy.url, commandTimeoutMs: 500, name: "test", log: silent };
  signals = createSignals(redis, options);
});
afterEach(async () => {
  signals.close();
  redis.close();
  await proxy.stop();
});

const nextResubscribed = (): Promise<void> =>
  new Promise((resolve) => {
    const stop = signals.onResubscribed(() => {
      stop();
      resolve();
    });
  });

test("a batch of ended requests reaches every listener in one message", async () => {
  const ids = Array.from({ length: 500 }, newId);
  const received = Promise.withResolvers<string[]>();
  const subscribed = nextResubscribed();
  // Other tests may announce at the same time.
  signals.onFinished((batch) => {
    if (batch[0] === ids[0]) received.resolve(batch);
  });
  await subscribed;

  await signals.announceFinished(ids);

  expect(await received.promise).toEqual(ids);
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

test("after a lost connection the subscriptions stand again, and listeners are told to look for what they missed", async () => {
  const id = newId();
  const received = Promise.withResolvers<void>();
  const subscribed = nextResubscribed();
  signals.onFinished((batch) => {
    if (batch.includes(id)) received.resolve();
  });
  await subscribed;

  const again = nextResubscribed();
  proxy.cut();
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
