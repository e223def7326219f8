import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { findFreePorts } from "../../local/processes/ports.ts";
import { WITH_PARENT } from "../../local/processes/processes.ts";
import { pause } from "../until.ts";

/** A port of a pod or a service of a cluster, on loopback. */
export interface PortForward {
  port: number;
  stop: () => Promise<void>;
}

export interface ForwardWish {
  namespace: string;
  /** As in `service/gateway`, `statefulset/redis` or `pod/rabbitmq-0`. */
  target: string;
  /** Of the service, or of the pod's container. */
  port: number;
}

const START_LIMIT_MS = 60_000;
const AGAIN_AFTER_MS = 250;

/**
 * Forwards a port, on the same local port until it is stopped. kubectl chooses one pod and ends when that
 * goes; then it is started again, and calls in between are refused as they are by a server that is away.
 *
 * @throws when nothing is forwarded within a minute, with what kubectl said
 */
export async function forwardPort(
  { kubectl, kubeconfig }: { kubectl: string; kubeconfig: string },
  { namespace, target, port }: ForwardWish,
  signal: AbortSignal,
): Promise<PortForward> {
  const [local = 0] = await findFreePorts(1);
  const stopping = new AbortController();
  const ending = AbortSignal.any([signal, stopping.signal]);
  const command = [kubectl, "--namespace", namespace, "port-forward", target, `${local}:${port}`];
  const first = Promise.withResolvers<void>();
  let said = "";

  async function runOnce(): Promise<void> {
    const run = Bun.spawn([...WITH_PARENT, ...command, "--address=127.0.0.1"], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      signal: ending,
    });
    const errors = new Response(run.stderr).text();
    for await (const line of createInterface({ input: Readable.fromWeb(run.stdout) }))
      if (line.startsWith("Forwarding from")) first.resolve();
    said = (await errors).trim();
    await run.exited;
  }

  async function keepRunning(): Promise<void> {
    while (!ending.aborted) {
      await runOnce();
      await pause(AGAIN_AFTER_MS, ending).catch(() => {});
    }
  }

  const running = keepRunning();
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  const late = setTimeout(
    () => first.reject(new Error(`${target}:${port} is not forwarded: ${said}`)),
    START_LIMIT_MS,
  );
  signal.addEventListener("abort", () => first.reject(signal.reason), { once: true });
  try {
    await first.promise;
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(late);
  }
  return { port: local, stop };
}
