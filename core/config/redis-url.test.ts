import { expect, test } from "bun:test";

import { readAmqpUrl } from "./amqp-url.ts";
import { readPostgresUrl } from "./postgres-url.ts";
import { readRedisUrl } from "./redis-url.ts";

test("a URL of Redis names certificates as redis-py does, and the client sees none of it", () => {
  const files = "ssl_ca_certs=/c/ca.pem&ssl_certfile=/c/own.pem&ssl_keyfile=%2Fc%2Fown.key";

  expect(readRedisUrl(`rediss://u:p%40@cache:6380/3?${files}`)).toEqual({
    url: "rediss://u:p%40@cache:6380/3",
    tls: { ca: "/c/ca.pem", cert: "/c/own.pem", key: "/c/own.key" },
  });
});

test("a URL of RabbitMQ names them as RabbitMQ does", () => {
  const files = "cacertfile=/c/ca.pem&certfile=/c/own.pem&keyfile=/c/own.key";

  expect(readAmqpUrl(`amqps://u:p@mq/v?${files}`).tls).toEqual({
    ca: "/c/ca.pem",
    cert: "/c/own.pem",
    key: "/c/own.key",
  });
});

test.each([
  [
    () => readRedisUrl("redis://cache?family=6"),
    "has the parameter family, which is not known here",
  ],
  [
    () => readAmqpUrl("amqp://mq?heartbeat=5"),
    "has the parameter heartbeat, which is not known here",
  ],
])("a parameter that is not known is named, and not passed on: %#", (read, message) => {
  expect(read).toThrow(message);
});

test.each([readRedisUrl, readAmqpUrl, readPostgresUrl])(
  "a password with a ? or an @ that is not written as %%XX is not shown: %p",
  (read) => {
    const scheme = { readRedisUrl: "redis", readAmqpUrl: "amqp", readPostgresUrl: "postgres" };
    for (const password of ["12?s3cret", "12/s3cret"]) {
      const url = `${scheme[read.name as keyof typeof scheme]}://u:${password}@host/d`;
      let said = "";
      try {
        read(url);
      } catch (error) {
        said = (error as Error).message;
      }
      expect(said).not.toContain("s3cret");
    }
  },
);
