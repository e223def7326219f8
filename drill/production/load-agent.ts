// Runs in a pod that may reach the gateways: makes a load until standard input ends, and writes its history
// to standard output. The argument is the load, JSON.
import { openHistory } from "../../history/history.ts";
import { type LoadOptions, startLoad } from "../../history/load.ts";

export type AgentLoad = Pick<LoadOptions, "gateways" | "users" | "ratePerSecond" | "patienceMs">;

const history = openHistory("/dev/stdout");
const load = startLoad({ ...(JSON.parse(process.argv[2] ?? "{}") as AgentLoad), history });
for await (const _ of Bun.stdin.stream());
await load.stop();
await history.close();
process.exit(0);
