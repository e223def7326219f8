import { expect, test } from "bun:test";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { IMAGES } from "./containers.ts";

test("tests run on the same images as up, bound to loopback and to exact versions", async () => {
  const text = await Bun.file(join(PROJECT_ROOT, "docker/servers.yaml")).text();
  const { services } = Bun.YAML.parse(text) as {
    services: Record<string, { image: string; ports: string[] }>;
  };

  expect(
    Object.fromEntries(Object.entries(services).map(([name, { image }]) => [name, image])),
  ).toEqual(IMAGES);
  for (const { image, ports } of Object.values(services)) {
    expect(image).toMatch(/:\d+\.\d+/);
    for (const port of ports) expect(port).toStartWith("127.0.0.1:");
  }
});
