import { join } from "node:path";
import { expect, test } from "bun:test";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { readShippedSettings } from "../stack/settings.ts";

const readText = (path: string): Promise<string> => Bun.file(join(PROJECT_ROOT, path)).text();

async function configuredMs(path: string): Promise<unknown> {
  const { amqp } = Bun.YAML.parse(await readText(path)) as { amqp: Record<string, unknown> };
  return amqp["consumer_timeout_ms"];
}

test.each([
  ["local/servers/config/rabbitmq.conf", "tollgate.yaml"],
  ["docker/servers.yaml", "tollgate.yaml"],
  ["docker/rabbitmq.conf", "tollgate.yaml"],
  ["k8s/overlays/dev/rabbitmq.yaml", "k8s/base/app/tollgate.yaml"],
  ["k8s/overlays/production/rabbitmq.yaml", "k8s/overlays/production/tollgate.yaml"],
])("%s gives consumers as long as %s says", async (server, config) => {
  const [, toldMs] = /consumer_timeout[ =]+(\d+)/.exec(await readText(server)) ?? [];

  expect(Number(toldMs)).toBe(Number(await configuredMs(config)));
});

test("the configuration that is shipped allows calls of hours", async () => {
  const { amqp } = await readShippedSettings();

  expect(amqp).toMatchObject({ consumer_timeout_ms: 24 * 60 * 60 * 1_000 });
});
