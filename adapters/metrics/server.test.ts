import { afterAll, expect, test } from "bun:test";

const SECRET = "postgres://user:password@host";

/**
 * In a process of its own, because the test runner takes an error in a route for its own. Prints its port.
 */
const PROGRAM = `
  import { createMetricsRegistry } from "${import.meta.dir}/registry.ts";
  import { serveMetrics } from "${import.meta.dir}/server.ts";
  const readiness = () => Promise.reject(new Error("${SECRET}"));
  const registry = createMetricsRegistry("gateway");
  const port = { host: "127.0.0.1", port: 0, tls: undefined, log: console };
  console.log(serveMetrics({ ...port, registry, readiness }).port);
`;

const server = Bun.spawn([process.execPath, "-e", PROGRAM], { stdout: "pipe", stderr: "ignore" });
afterAll(() => server.kill());

test("a check that throws gives a 500 that shows nothing of the error, its stack or our source", async () => {
  const { value: port } = await server.stdout.getReader().read();

  const response = await fetch(
    `http://127.0.0.1:${new TextDecoder().decode(port).trim()}/health/ready`,
  );
  const body = await response.text();

  expect(response.status).toBe(500);
  expect(body).not.toContain(SECRET);
  expect(body).not.toContain(".ts");
});
