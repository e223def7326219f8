import { createIdSource } from "../../adapters/ids/id-source.ts";
import { after } from "../../adapters/process/timers.ts";
import { createBatcher } from "../../runtime/batcher.ts";
import { measureAll } from "./measure.ts";

const batcher = createBatcher<number, number>({
  itemsMax: 200,
  waitMs: 2,
  flushesMax: 2,
  bound: { pendingMax: 1_000_000, onFull: () => new Error("full") },
  flush: (items) => Promise.resolve(items),
  schedule: after,
});
const newId = createIdSource();
const items = Array.from({ length: 1_000 }, (_, index) => index);

await measureAll([
  ["batcher, 1,000 at once", () => Promise.all(items.map(batcher.add)), items.length],
  ["new request id", () => newId(Date.now())],
]);
