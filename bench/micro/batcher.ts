import { createBatcher } from "../../runtime/batcher.ts";
import { createIdSource } from "../../adapters/ids/id-source.ts";
import { after } from "../../adapters/process/timers.ts";
import { keep, measureAll } from "./measure.ts";

const batcher = createBatcher<number, number>({
  itemsMax: 200,
  waitMs: 2,
  flushesMax: 2,
  bound: { pendingMax: 1_000_000, onFull: () => new Error("full") },
  flush: (items) => Promise.resolve(items),
  schedule: after,
});
const newId = createIdSource();
const AT_ONCE = 1_000;

await measureAll([
  {
    name: `batcher, ${AT_ONCE} at once`,
    run: async (times) => {
      for (let done = 0; done < times; done += AT_ONCE) {
        const length = Math.min(AT_ONCE, times - done);
        await Promise.all(Array.from({ length }, (_, index) => batcher.add(index)));
      }
    },
  },
  {
    name: "new request id",
    run: (times) => {
      for (let i = 0; i < times; i += 1) keep(newId(Date.now()));
    },
  },
]);
