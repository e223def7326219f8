import { runCommand } from "./run-command.ts";

/** Runs kubectl on a cluster, and returns what it printed; `input` is what it reads from a file `-`. */
export type Kubectl = (
  args: readonly string[],
  options?: { input?: string; limitMs?: number },
) => Promise<string>;

/** `enter` is put before the command. What it returns throws when kubectl fails, with what it said. */
export const createKubectl =
  (
    {
      kubectl,
      kubeconfig,
      enter,
    }: { kubectl: string; kubeconfig: string; enter: readonly string[] },
    signal?: AbortSignal,
  ): Kubectl =>
  (args, options = {}) =>
    runCommand([...enter, kubectl, `--kubeconfig=${kubeconfig}`, ...args], { ...options, signal });
