import type { SimProtocol } from "./calls.ts";
import { drawFault, faultOfPrompt, parseFault, seededRandom } from "./faults.ts";
import { createModel } from "./model.ts";
import { PROTOCOLS } from "./protocols.ts";
import { createRefusals } from "./refusals.ts";
import { failure, readJson } from "./replies.ts";
import { changeSettings, type Settings, SettingsError } from "./settings.ts";
import { createTotals } from "./stats.ts";

/** The part of Bun's server that limits how long the connection of a request may be idle. */
interface Connections {
  timeout: (request: Request, seconds: number) => void;
}

/** Of a connection that is to be closed when it is idle. Bun looks every four seconds. */
const IDLE_SECONDS = 1;

export interface Simulator {
  /** Bun's server lets a fault have the connection of a call closed when it is idle. */
  fetch: (request: Request, server?: Connections) => Response | Promise<Response>;
}

/** It plays whatever model a call names; this is the name of the one that it has. */
const MODELS = {
  object: "list",
  data: [{ id: "simulator", object: "model", created: 0, owned_by: "simulator" }],
};

/** The routes of the simulated ML service. Settings may be changed while it runs. */
export function createSimulator(initial: Settings): Simulator {
  let settings = initial;
  let random = seededRandom(settings.seed);
  const totals = createTotals();
  const model = createModel(() => settings, totals);
  const refuse = createRefusals(() => settings.retry_after_seconds);

  async function serveCall(
    request: Request,
    protocol: SimProtocol,
    server: Connections | undefined,
  ): Promise<Response> {
    totals.calls += 1;
    const call = protocol.read(await readJson(request));
    if (call === null) return failure(400, "the body does not fit the protocol");
    const fault =
      parseFault(request.headers.get("x-sim-fault")) ??
      faultOfPrompt(call.prompt) ??
      drawFault(settings.fault_rates, random);
    if (fault !== null) {
      totals.faults[fault.kind] = (totals.faults[fault.kind] ?? 0) + 1;
      if (fault.kind === "close-idle") server?.timeout(request, IDLE_SECONDS);
      const refusal = refuse(fault, call, request.signal);
      if (refusal !== null) return refusal;
    }
    return model.run({ protocol, call, fault }, request);
  }

  async function change(request: Request): Promise<Response> {
    try {
      settings = changeSettings(settings, await readJson(request));
      random = seededRandom(settings.seed);
      return Response.json(settings);
    } catch (error) {
      if (error instanceof SettingsError) return failure(400, error.message);
      throw error;
    }
  }

  function serveGet(path: string): Response {
    if (path === "/health") return Response.json({ status: "ok", simulator: true });
    if (path === "/v1/models") return Response.json(MODELS);
    if (path === "/sim/settings") return Response.json(settings);
    if (path === "/sim/stats") {
      return Response.json({ simulator: true, ...totals, ...model.counts() });
    }
    return failure(404, "there is no such route");
  }

  return {
    fetch(request, server) {
      const path = pathOf(request.url);
      if (request.method === "GET") return serveGet(path);
      const protocol = Object.hasOwn(PROTOCOLS, path) ? PROTOCOLS[path] : undefined;
      if (request.method !== "POST") return failure(405, "there is no such method here");
      if (protocol !== undefined) return serveCall(request, protocol, server);
      if (path === "/sim/settings") return change(request);
      return failure(404, "there is no such route");
    },
  };
}

/** Cheaper than a URL object: this runs tens of thousands of times a second. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("?", start);
  return end === -1 ? url.slice(start) : url.slice(start, end);
}
