import { Fault } from "../../core/faults.ts";
import { allowOrigin, type Origins, preflightResponse } from "./cors.ts";
import { problemResponse } from "./problem.ts";

export type Handle = (request: Request) => Response | Promise<Response>;

interface Settings {
  origins: () => Origins;
  /** The methods that the path of a URL takes. */
  methodsAt: (url: string) => readonly string[];
}

/**
 * What comes before every route. Without a good `Host` the server knows no URL of a call, and a route would
 * throw; pages of other origins are let in as the configuration says.
 */
export function withFront(handle: Handle, { origins, methodsAt }: Settings): Handle {
  return (request) => {
    if (!URL.canParse(request.url))
      return problemResponse(
        new Fault("HOST_INVALID", "send a header Host with the name or address of this service"),
      );
    const allowed = origins();
    if (allowed.length === 0) return handle(request);
    const origin = request.headers.get("origin");
    const preflight =
      request.method === "OPTIONS"
        ? preflightResponse(request, methodsAt(request.url), allowed)
        : undefined;
    if (preflight !== undefined) return allowOrigin(preflight, origin, allowed);
    return Promise.resolve(handle(request)).then((response) =>
      allowOrigin(response, origin, allowed),
    );
  };
}
