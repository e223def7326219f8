import { expect, test } from "bun:test";

import { createIdSource } from "./id-source.ts";

test("ids only grow, also within one millisecond and when the clock steps back", () => {
  const newId = createIdSource();
  const ids = Array.from({ length: 10_000 }, (_, index) =>
    newId(1_700_000_000_000 - (index % 7) * 1_000),
  );

  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
});
