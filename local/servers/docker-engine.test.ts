import { expect, test } from "bun:test";

import { isEngineHere } from "./docker-engine.ts";

test.each([
  "unix:///var/run/docker.sock",
  "npipe:////./pipe/docker_engine",
  "tcp://127.0.0.1:2375",
  "tcp://localhost:2375",
  "tcp://[::1]:2375",
  "",
])("an engine at %s runs on this machine", (address) => {
  expect(isEngineHere(address)).toBe(true);
});

test.each(["ssh://me@build", "tcp://docker:2376", "tcp://10.0.0.7:2375"])(
  "an engine at %s runs on another machine, which has neither our files nor our loopback",
  (address) => {
    expect(isEngineHere(address)).toBe(false);
  },
);
