import { createAccept } from "./accept/accept.ts";
import { createAuthenticate } from "./accept/authenticate.ts";
import { boundAccepts } from "./accept/bound-accepts.ts";
import { createOutbox } from "./accept/outbox.ts";
import { createStore } from "./accept/store.ts";
import { createApp } from "./http/app.ts";
import { apiKeyOf } from "./http/headers.ts";
import { createRespond } from "./http/respond.ts";
import type { GatewayPorts } from "./ports.ts";
import { createCancel } from "./read/cancel.ts";
import { createListRequests } from "./read/list-requests.ts";
import { createStatusReader } from "./read/status.ts";
import { createWaiters } from "./read/waiters.ts";
import { createWaitingGauges } from "./read/waiting-gauges.ts";

export interface GatewayOptions {
  version: string;
  readiness: () => Promise<Record<string, boolean>>;
}

/** Puts the parts of the gateway together. */
export function createGateway(ports: GatewayPorts, options: GatewayOptions) {
  const authenticate = createAuthenticate(ports);
  const outbox = createOutbox(ports);
  const store = createStore(ports);
  const waiters = createWaiters(ports);
  const status = createStatusReader(ports, waiters);
  const waitingGauges = createWaitingGauges(ports);
  let isLeaving = false;
  let isDraining = false;

  const app = createApp(
    {
      ports,
      respond: createRespond(ports),
      authenticate: (headers) => authenticate(apiKeyOf(headers)),
      accept: boundAccepts(ports, store, createAccept(ports, store, outbox)),
      status,
      cancel: createCancel(ports, status),
      listRequests: createListRequests(ports),
      readiness: options.readiness,
      isLeaving: () => isLeaving,
      isDraining: () => isDraining,
    },
    options.version,
  );

  return {
    app,
    /** Resolves when the gateway may accept. */
    start: async () => {
      await outbox.start();
      waitingGauges.start();
    },
    /** Brings the gauges up to date. */
    observe: async () => {
      ports.metrics.outbox_depth.set(outbox.depth());
      ports.metrics.gateway_waiters.set(waiters.count());
    },
    /** Is not ready any more, so that load balancers learn of it; serves as before. */
    announceDrain: () => {
      isLeaving = true;
    },
    /** Refuses new work, and returns the present state to those who wait. */
    beginDrain: () => {
      isLeaving = true;
      isDraining = true;
      waiters.endAll();
    },
    /** After the HTTP server has stopped: waits for confirms, at most `ms`. */
    endDrain: async (ms: number) => {
      await outbox.drain(ms);
      waiters.stop();
      waitingGauges.stop();
    },
  };
}
