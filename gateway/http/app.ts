import { Elysia } from "elysia";

import { Fault } from "../../core/faults.ts";
import { withBrowserHeaders } from "./browser-headers.ts";
import { docsPage } from "./docs-page.ts";
import { type Handle, withFront } from "./front.ts";
import { methodsAt } from "./known-routes.ts";
import type { DocumentedRoute } from "./openapi.ts";
import { problemResponse } from "./problem.ts";
import { cancelRoute } from "./routes/cancel.ts";
import { eventsRoute } from "./routes/events.ts";
import { generateRoute } from "./routes/generate.ts";
import { healthRoutes } from "./routes/health.ts";
import { modelsRoutes } from "./routes/models.ts";
import { openaiRoutes } from "./routes/openai.ts";
import type { RouteParts } from "./routes/parts.ts";
import { quotaRoutes } from "./routes/quota.ts";
import { requestsRoute } from "./routes/requests.ts";
import { statusRoute } from "./routes/status.ts";
import { usageRoute } from "./routes/usage.ts";

/** 405 when the path exists for another method, else 404. */
function unknownRoute(methods: readonly string[], hasDocs: boolean): Fault {
  if (methods.length === 0)
    return new Fault("ROUTE_UNKNOWN", `there is no such route${hasDocs ? "; see /docs" : ""}`);
  const allowed = methods.join(", ");
  return new Fault("METHOD_UNSUPPORTED", `this route takes ${allowed}`, {
    headers: { allow: allowed },
  });
}

/** The HTTP API: one file per route in `routes/`. */
export function createApp(parts: RouteParts, version: string) {
  const { docs: hasDocs, tls } = parts.ports.config().gateway;
  const app = new Elysia({ normalize: false })
    .use(hasDocs ? docsPage(version, (): readonly DocumentedRoute[] => app.routes) : new Elysia())
    .use(generateRoute(parts))
    .use(statusRoute(parts))
    .use(eventsRoute(parts))
    .use(cancelRoute(parts))
    .use(requestsRoute(parts))
    .use(quotaRoutes(parts))
    .use(usageRoute(parts))
    .use(openaiRoutes(parts))
    .use(modelsRoutes(parts))
    .use(healthRoutes(parts))
    .onError(({ code, error, request }) => {
      if (code === "NOT_FOUND")
        return problemResponse(unknownRoute(methodsAt(request.url, app.routes), hasDocs));
      parts.ports.log.error({ err: error, code }, "unexpected error in a route");
      return problemResponse(new Fault("INTERNAL", "an unexpected error", { cause: error }));
    });
  const front = {
    origins: () => parts.ports.config().gateway.cors_origins,
    methodsAt: (url: string) => methodsAt(url, app.routes),
  };
  // Elysia's type of a handler does not say what it returns.
  app.wrap((handle) =>
    withBrowserHeaders(withFront(handle as unknown as Handle, front), tls !== undefined),
  );
  return app;
}
