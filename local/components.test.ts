import { expect, test } from "bun:test";

import { parseConfig } from "../core/config/parse.ts";
import { componentEnvironment, describeComponents, simulatorOverrides } from "./components.ts";
import { configPath } from "../adapters/state/read-config.ts";

const ENV = {
  TOLLGATE_SECRETS__ENCRYPTION_KEYS: "k1:x",
  TOLLGATE_SECRETS__KEY_PEPPER: "p".repeat(32),
};
const file: unknown = Bun.YAML.parse(await Bun.file(configPath({})).text());

test("every port of a component can be changed by the variable that is named with it", () => {
  for (const { name, ports } of describeComponents(parseConfig(file, ENV), ENV)) {
    for (const [i, { variable }] of ports.entries()) {
      const env = { ...ENV, [variable]: "12345" };
      const changed = describeComponents(parseConfig(file, env), env).find(
        (one) => one.name === name,
      );

      expect(changed?.ports[i]).toEqual({ variable, number: 12_345 });
    }
  }
});

test("a simulator on another port is where the models look for it", () => {
  const env = { ...ENV, ML_SIM_PORT: "9999" };
  const overrides = simulatorOverrides(parseConfig(file, env), env);
  const { models } = parseConfig(file, { ...env, ...overrides });

  expect(Object.values(models).map(({ url }) => new URL(url).port)).toEqual(
    Object.values(models).map(() => "9999"),
  );
  expect(simulatorOverrides(parseConfig(file, ENV), ENV)).toEqual({});
});

test("the pepper of API keys is given to gateways alone, and the simulator gets no secret", () => {
  const given = describeComponents(parseConfig(file, ENV), ENV).map(({ name, env }) => {
    const all = { ...componentEnvironment(ENV, {}), ...env };
    return [name, Object.keys(ENV).filter((secret) => all[secret])];
  });

  const [keys, pepper] = Object.keys(ENV);
  expect(Object.fromEntries(given)).toEqual({
    simulator: [],
    gateway: [keys, pepper],
    worker: [keys],
    collector: [keys],
  });
});

test("the servers that up started win over the caller's variables, which win over defaults", () => {
  const env = componentEnvironment(
    { NODE_ENV: "development", REDIS_URL: "redis://other" },
    { REDIS_URL: "redis://ours" },
  );

  expect(env).toMatchObject({ NODE_ENV: "development", REDIS_URL: "redis://ours" });
});
