import { afterEach, expect, test } from "bun:test";

import { findLinks } from "./links.ts";

let server: Bun.Server<undefined> | undefined;
afterEach(() => server?.stop(true));

/** A Prometheus as far as its pages go: /graph leads to `page`. */
function prometheusWith(page: string): string {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === page) return new Response("a page");
      return pathname === "/graph"
        ? Response.redirect(`${page}?`)
        : new Response(null, { status: 404 });
    },
  });
  return `http://127.0.0.1:${server.port}`;
}

test.each(["/graph", "/classic/graph", "/query"])(
  "links go to the page that draws graphs, wherever it is: %s",
  async (page) => {
    const url = prometheusWith(page);

    const { alerts, graphs } = await findLinks(url);

    expect(alerts).toBe(`${url}${page.replace(/\w+$/, "alerts")}`);
    for (const graph of graphs) {
      expect(new URL(graph.url).pathname).toBe(page);
      expect(new URL(graph.url).searchParams.get("g0.expr")).toContain("(");
    }
    expect(new URL(graphs.at(-1)?.url ?? "").searchParams.get("g3.expr")).not.toBeNull();
  },
);

test("links are given even when the pages do not answer", async () => {
  const url = prometheusWith("/graph");
  await server?.stop(true);

  const { alerts } = await findLinks(url);

  expect(alerts).toBe(`${url}/alerts`);
});
