import { hostname } from "node:os";

import { Value } from "@sinclair/typebox/value";
import type { StartedTestContainer } from "testcontainers";

import { pingAmqp, pingPostgres, pingRedis } from "../../adapters/ping.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import {
  identifyProcess,
  isRunning,
  ProcessIdentitySchema,
} from "../processes/process-identity.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { findContainers, removeContainers } from "./docker-engine.ts";
import { readServerConfig } from "./local-server.ts";
import { newPassword } from "./password.ts";
import type { TestServers } from "./test-servers.ts";

/** The same as in docker/servers.yaml; a test compares. */
export const IMAGES = {
  postgres: "postgres:17.6",
  redis: "redis:7.4",
  rabbitmq: "rabbitmq:4.1-management",
};

const START_LIMIT_MS = 5 * 60 * 1000;
const PING_LIMIT_MS = 5_000;

/**
 * Whose containers they are: those of a test run of this checkout that was killed are removed by the next
 * one.
 */
const CHECKOUT_LABEL = ["tollgate.test.checkout", `${hostname()}:${PROJECT_ROOT}`] as const;
const OWNER_LABEL = "tollgate.test.owner";

const isOwned = (owner: string): boolean => {
  try {
    return isRunning(Value.Parse(ProcessIdentitySchema, JSON.parse(owner)));
  } catch {
    return false;
  }
};

function removeAbandoned(): void {
  const containers = findContainers([`label=${CHECKOUT_LABEL.join("=")}`], OWNER_LABEL);
  removeContainers(containers.filter(({ labelled }) => !isOwned(labelled)).map(({ id }) => id));
}

/** The three servers as throw-away containers. */
export async function startContainers(progress: Progress): Promise<TestServers> {
  // Its reaper container keeps Bun's event loop alive for ever (oven-sh/bun#23776); we remove the containers
  // ourselves.
  process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";
  const { GenericContainer, Wait } = await import("testcontainers");
  removeAbandoned();
  const labels = {
    [CHECKOUT_LABEL[0]]: CHECKOUT_LABEL[1],
    [OWNER_LABEL]: JSON.stringify(identifyProcess(process.pid)),
  };
  // Testcontainers opens the ports on every address of the machine.
  const password = newPassword();
  const started: StartedTestContainer[] = [];
  // Killed: their data are thrown away.
  const remove = async (): Promise<void> => {
    await Promise.all(started.map((container) => container.stop()));
  };

  const start = async (title: string, spec: InstanceType<typeof GenericContainer>) => {
    const container = await spec.withLabels(labels).withStartupTimeout(START_LIMIT_MS).start();
    started.push(container);
    return { container, detail: `${title} in Docker` };
  };

  const postgres = async (): Promise<string> => {
    const { container } = await progress.step("PostgreSQL", async () =>
      start(
        IMAGES.postgres,
        new GenericContainer(IMAGES.postgres)
          .withEnvironment({ POSTGRES_USER: "tollgate", POSTGRES_PASSWORD: password })
          .withCopyContentToContainer([
            { content: await readServerConfig("postgresql.conf"), target: "/etc/postgresql.conf" },
          ])
          .withCommand([
            "postgres",
            ..."-c config_file=/etc/postgresql.conf -c listen_addresses=*".split(" "),
          ])
          .withExposedPorts(5432)
          // Once while it sets itself up, and once for good.
          .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2)),
      ),
    );
    return `postgres://tollgate:${password}@${container.getHost()}:${container.getMappedPort(5432)}/tollgate`;
  };
  const redis = async (): Promise<string> => {
    const { container } = await progress.step("Redis", async () =>
      start(
        IMAGES.redis,
        new GenericContainer(IMAGES.redis)
          .withCopyContentToContainer([
            { content: await readServerConfig("redis.conf"), target: "/etc/redis.conf" },
          ])
          .withCommand(["redis-server", "/etc/redis.conf", "--requirepass", password])
          .withExposedPorts(6379)
          .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/)),
      ),
    );
    return `redis://:${password}@${container.getHost()}:${container.getMappedPort(6379)}/0`;
  };
  const rabbitmq = async (): Promise<string> => {
    const { container } = await progress.step("RabbitMQ", () =>
      start(
        IMAGES.rabbitmq,
        new GenericContainer(IMAGES.rabbitmq)
          .withEnvironment({ RABBITMQ_DEFAULT_USER: "tollgate", RABBITMQ_DEFAULT_PASS: password })
          .withExposedPorts(5672)
          .withWaitStrategy(Wait.forLogMessage(/Server startup complete/)),
      ),
    );
    return `amqp://tollgate:${password}@${container.getHost()}:${container.getMappedPort(5672)}`;
  };

  const results = await Promise.allSettled([postgres(), redis(), rabbitmq()]);
  try {
    const [postgresUrl = "", redisUrl = "", amqpUrl = ""] = results.map((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value;
    });
    await Promise.all([
      pingPostgres(postgresUrl, PING_LIMIT_MS),
      pingRedis(redisUrl, PING_LIMIT_MS),
      pingAmqp(amqpUrl, PING_LIMIT_MS),
    ]);
    return { urls: { postgres: postgresUrl, redis: redisUrl, amqp: amqpUrl }, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
