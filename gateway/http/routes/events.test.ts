import { describe, expect, test } from "bun:test";

import { JsonText } from "../../../core/json/json-text.ts";
import { type DeltaEntry, FIRST_POSITION } from "../../../core/request/delta-entry.ts";
import { createFakeDoor } from "../../../test/support/door-world.ts";

const begins = (position: string, isContinued = false): DeltaEntry => ({
  position,
  pieces: null,
  isContinued,
});
const says = (position: string): DeltaEntry => ({
  position,
  pieces: [JsonText.of([{ index: 0 }])],
});

/** The names of the events of a request that has ended, with these entries, read from a position. */
async function eventsOf(entries: readonly DeltaEntry[], query = ""): Promise<string[]> {
  const { call, post, rows, finish, advance } = createFakeDoor(() => ({
    readDeltas: async (asked) =>
      asked.map(({ after }) => {
        const at = entries.findIndex(({ position }) => position === after);
        return after === FIRST_POSITION ? [...entries] : entries.slice(at + 1);
      }),
  }));
  await post();
  const requestId = rows[0]?.head.requestId ?? "";
  await finish(requestId, { choices: [{ index: 0, text: "hi", finish_reason: "stop" }] });
  const reply = await call("GET", `/status/${requestId}/events${query}`);
  const text = reply.text();
  await advance(20);
  return [...(await text).matchAll(/^event: (.*)$/gm)].map(([, name = ""]) => name);
}

describe("the events of an answer", () => {
  test("are its pieces and its end", async () => {
    const events = await eventsOf([begins("1700-0"), says("1700-1"), says("1700-2")]);

    expect(events).toEqual(["pieces", "pieces", "end"]);
  });

  test("say when another execution begins the answer anew, not when it goes on", async () => {
    const anew = await eventsOf([begins("17-0"), says("17-1"), begins("18-0"), says("18-1")]);
    const goesOn = await eventsOf([
      begins("17-0"),
      says("17-1"),
      begins("18-0", true),
      says("18-1"),
    ]);

    expect(anew).toEqual(["pieces", "restart", "pieces", "end"]);
    expect(goesOn).toEqual(["pieces", "pieces", "end"]);
  });

  test("say so to a reader who comes back, too", async () => {
    const entries = [begins("17-0"), says("17-1"), begins("18-0"), says("18-1")];

    expect(await eventsOf(entries, "?after=17-1")).toEqual(["restart", "pieces", "end"]);
  });
});
