import { expect, test } from "bun:test";

import { argumentsOf } from "./own-cluster.ts";

const flags = { minutes: "2", seed: "7", nextImage: "tollgate:next", keep: false, json: false };

test("the drill inside the cluster is told what the command line said", () => {
  const all = argumentsOf({ ...flags, only: "wake", out: "/tmp/out", keep: true, json: true });

  expect(argumentsOf(flags).join(" ")).toBe("--minutes 2 --seed 7 --next-image tollgate:next");
  expect(all.join(" ")).toEndWith("--only wake --out /tmp/out --keep --json");
});
