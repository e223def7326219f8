import { expect, test } from "bun:test";

import { superviseServer } from "./supervise-server.ts";

/** A server that runs until it is killed, and fails to start as often as it is told to. */
function server() {
  let runs = true;
  let failures = 0;
  const changes: (() => void)[] = [];
  const supervised = superviseServer(
    {
      name: "redis",
      runs: () => runs,
      revive: async () => {
        if (failures > 0) {
          failures -= 1;
          throw new Error("its port is taken");
        }
        runs = true;
      },
    },
    () => changes.splice(0).forEach((wake) => wake()),
  );
  return {
    supervised,
    kill: (failingStarts: number) => {
      runs = false;
      failures = failingStarts;
    },
    /** Resolves when the status fits; the test's own time limit ends the wait otherwise. */
    until: async (fits: (status: ReturnType<typeof supervised.status>) => boolean) => {
      while (!fits(supervised.status())) await new Promise<void>((wake) => changes.push(wake));
    },
  };
}

test("a server that ends is started again, and that is counted", async () => {
  const { supervised, kill, until } = server();
  expect(supervised.status()).toEqual({ name: "redis", state: "running", restarts: 0 });

  kill(0);
  await until(({ state }) => state === "restarting");
  await until(({ state }) => state === "running");
  await supervised.stop();

  expect(supervised.status()).toEqual({ name: "redis", state: "running", restarts: 1 });
});

test("one that cannot be started is tried again, and why it could not is told meanwhile", async () => {
  const { supervised, kill, until } = server();

  kill(1);
  await until(({ problem }) => problem !== undefined);
  const failing = supervised.status();
  await until(({ state }) => state === "running");
  await supervised.stop();

  expect(failing).toMatchObject({ state: "restarting", problem: "its port is taken" });
  expect(supervised.status()).toEqual({ name: "redis", state: "running", restarts: 2 });
});

test("once watching has stopped nothing is started", async () => {
  const { supervised, kill } = server();
  await supervised.stop();

  kill(0);

  expect(supervised.status()).toMatchObject({ restarts: 0 });
});
