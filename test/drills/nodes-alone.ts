/**
 * A process that starts a cluster with the images of the archives that it is given, prints what reaches it as
 * a line of JSON, and stops it when it is interrupted.
 */
import { startNodes } from "../../local/cluster/node/start-nodes.ts";

const interrupt = new AbortController();
process.on("SIGINT", () => interrupt.abort());

const cluster = await startNodes({
  env: process.env,
  progress: { say: () => {}, step: (_label, act) => act() },
  signal: interrupt.signal,
  nodes: 2,
  images: process.argv.slice(2),
});
process.stdout.write(`${JSON.stringify(cluster)}\n`);
await new Promise((resolve) => {
  interrupt.signal.addEventListener("abort", resolve, { once: true });
});
await cluster.stop();
