import { describe, expect, test } from "bun:test";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { chooseSource, type ServerSource } from "./choose-source.ts";

const URLS = { DATABASE_URL: "postgres://a", REDIS_URL: "redis://b", AMQP_URL: "amqp://c" };
const withDocker = () => undefined;
const withoutDocker = () => "no Docker Engine answers";

describe("the servers", () => {
  const cases: [
    string,
    Record<string, string>,
    () => string | undefined,
    ServerSource | undefined,
    ServerSource,
  ][] = [
    ["are those of the environment before anything else", URLS, withDocker, "local", "url"],
    ["are Docker's where an engine answers", {}, withDocker, undefined, "docker"],
    ["are private ones where none answers", {}, withoutDocker, undefined, "local"],
    [
      "stay private when Docker appears later, since the data are there",
      {},
      withDocker,
      "local",
      "local",
    ],
    ["are not looked for at URLs that were there last time", {}, withoutDocker, "url", "local"],
    [
      "can be forced to be private",
      { ...URLS, TOLLGATE_SERVERS: "local" },
      withDocker,
      "docker",
      "local",
    ],
    [
      "can be forced to be Docker's",
      { ...URLS, TOLLGATE_SERVERS: "docker" },
      withDocker,
      "local",
      "docker",
    ],
    [
      "can be forced to be those of the environment",
      { ...URLS, TOLLGATE_SERVERS: "url" },
      withDocker,
      "local",
      "url",
    ],
  ];
  test.each(cases)("%s", (_name, env, dockerProblem, remembered, expected) => {
    expect(chooseSource({ env, dockerProblem, remembered })).toBe(expected);
  });

  const refusals: [string, Record<string, string>, string][] = [
    ["two of three URLs", { DATABASE_URL: "a", REDIS_URL: "b" }, "AMQP_URL is not"],
    ["an unknown source", { TOLLGATE_SERVERS: "podman" }, "url, docker, local"],
    [
      "Docker forced where none answers",
      { TOLLGATE_SERVERS: "docker" },
      "no Docker Engine answers",
    ],
    ["URLs forced where there are none", { TOLLGATE_SERVERS: "url" }, "set all three"],
  ];
  test.each(refusals)("are refused with what to do: %s", (_name, env, message) => {
    const choose = () => chooseSource({ env, dockerProblem: withoutDocker });

    expect(choose).toThrow(CommandFailure);
    expect(choose).toThrow(message);
  });

  test("are not quietly others when Docker, which has the data, does not answer", () => {
    const choose = () =>
      chooseSource({ env: {}, dockerProblem: withoutDocker, remembered: "docker" });

    expect(choose).toThrow("the data of the last up are in Docker");
    expect(
      chooseSource({
        env: { TOLLGATE_SERVERS: "local" },
        dockerProblem: withoutDocker,
        remembered: "docker",
      }),
    ).toBe("local");
  });

  test("are chosen without asking Docker when the choice is made already", () => {
    const dockerProblem = () => {
      throw new Error("was asked");
    };

    expect(chooseSource({ env: URLS, dockerProblem })).toBe("url");
    expect(chooseSource({ env: { TOLLGATE_SERVERS: "local" }, dockerProblem })).toBe("local");
  });
});
