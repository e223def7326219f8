import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { openapi } from "@elysiajs/openapi";
import { Elysia } from "elysia";

import { type DocumentedRoute, withAllParameters } from "./openapi.ts";

/** The package's files only: importing it would load the whole page into the gateway. */
const ASSETS_FOLDER = dirname(fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json")));
const ASSETS = { "swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css" } as const;

const PAGE_OPTIONS = {
  cdn: "/docs/assets/swagger-ui-bundle.js",
  theme: "/docs/assets/swagger-ui.css",
  autoDarkMode: true,
  // From the root, because /docs/ with a slash is this page as well. The plugin passes it on, though its
  // type does not know it.
  url: "/openapi.json",
  // The default sends the address of this document to a service on the internet.
  validatorUrl: "none",
  displayRequestDuration: true,
  tryItOutEnabled: true,
};

/**
 * `/openapi.json` from the routes' schemas and `/docs` to read it. The page's files come from here: it
 * works without the internet.
 */
export function docsPage(version: string, routes: () => readonly DocumentedRoute[]) {
  const page = openapi({
    path: "/docs",
    specPath: "/openapi.json",
    provider: "swagger-ui",
    swagger: PAGE_OPTIONS,
    exclude: { paths: [/^\/docs/, "/openapi.json"] },
    documentation: {
      info: {
        title: "Tollgate",
        version,
        description: "A durable, token-metered front door for slow machine-learning models.",
      },
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", description: "An API key, `tg_live_…`" },
          apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
        },
      },
      tags: [
        { name: "Requests" },
        { name: "Quota", description: "What you may use, what you have used" },
        { name: "Health" },
      ],
      security: [{ bearer: [] }, { apiKey: [] }],
    },
  });
  const docs = new Elysia({ name: "docs" })
    .onAfterHandle(({ path, response }) =>
      path === "/openapi.json" ? withAllParameters(response, routes()) : undefined,
    )
    .use(page);
  for (const [file, type] of Object.entries(ASSETS)) {
    docs.get(
      `/docs/assets/${file}`,
      () =>
        new Response(Bun.file(`${ASSETS_FOLDER}/${file}`), {
          headers: { "content-type": type, "cache-control": "public, max-age=86400" },
        }),
    );
  }
  return docs;
}
