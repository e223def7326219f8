import { expect, test } from "bun:test";
import { join } from "node:path";

import { ROOT } from "./pages.ts";

test.each(["gateway", "workers", "collector"])(
  "the main file of %s wires and decides nothing: it stays below 120 lines",
  async (service) => {
    const text = await Bun.file(join(ROOT, service, "main.ts")).text();

    expect(text.trimEnd().split("\n").length).toBeLessThan(120);
  },
);
