import { createAccept } from "./accept/accept.ts";
import { createAuthenticate } from "./accept/authenticate.ts";
import { boundAccepts } from "./accept/bound-accepts.ts";
import { createBrokenCalls } from "./accept/broken-calls.ts";
import { checkRoute } from "./accept/key-scopes.ts";
import { createLanes } from "./accept/lanes.ts";
import { createOutbox } from "./accept/outbox.ts";
import { createParkedNews } from "./accept/parked-news.ts";
import { createStore } from "./accept/store.ts";
import { createApp } from "./http/app.ts";
import { createWithBody } from "./http/body-bounds.ts";
import { apiKeyOf } from "./http/headers.ts";
import { createRespond } from "./http/respond.ts";
import { createHoldCalls } from "./openai/hold-call.ts";
import { createStreamAnswers } from "./openai/stream-answer.ts";
import { createFollowers } from "./stream/followers.ts";
import { createReadAlong } from "./stream/read-along.ts";
import { createReaders } from "./stream/readers.ts";
import type { GatewayPorts } from "./ports.ts";
import { createCancel } from "./read/cancel.ts";
import { createListRequests } from "./read/list-requests.ts";
import { createModelWatch } from "./read/model-watch.ts";
import { createStandings } from "./read/standings.ts";
import { createStatusReader } from "./read/status.ts";
import { createWaiters } from "./read/waiters.ts";
import { createWaitingGauges } from "./read/waiting-gauges.ts";

export interface GatewayOptions {
  version: string;
  readiness: () => Promise<Record<string, boolean>>;
}

/** Puts the parts of the gateway together. */
export function createGateway(ports: GatewayPorts, options: GatewayOptions) {
  const { authenticate, watch: keys } = createAuthenticate(ports);
  const outbox = createOutbox(ports);
  const store = createStore(ports);
  const waiters = createWaiters(ports);
  const lanes = createLanes(ports);
  const models = createModelWatch(ports, lanes);
  const standings = createStandings(ports, models);
  const status = createStatusReader(ports, waiters, standings);
  const waitingGauges = createWaitingGauges(ports, models);
  const broken = createBrokenCalls(ports);
  const ways = { store, outbox, lanes, models, broken, news: createParkedNews(ports) };
  const accept = boundAccepts(ports, store, createAccept(ports, ways));
  const cancel = createCancel(ports, status);
  const calls = createHoldCalls(ports, { accept, status, cancel, broken });
  const readers = createReaders(ports);
  const readAlong = createReadAlong(ports, createFollowers(ports), readers);
  const streams = createStreamAnswers(ports, calls, readAlong, readers);
  let isLeaving = false;
  let isDraining = false;

  const app = createApp(
    {
      ports,
      respond: createRespond(ports),
      authenticate: async (headers, route) => {
        const principal = await authenticate(apiKeyOf(headers));
        checkRoute(principal, route);
        return principal;
      },
      withBody: createWithBody(ports),
      accept,
      calls,
      streams,
      readers,
      readAlong,
      status,
      cancel,
      listRequests: createListRequests(ports, standings),
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
      await Promise.all([lanes.start(), models.start(), keys.start()]);
      waitingGauges.start();
    },
    /** Brings the gauges up to date. */
    observe: async () => {
      ports.metrics.outbox_depth.set(outbox.depth());
      ports.metrics.gateway_waiters.set(waiters.count());
      ports.metrics.gateway_streams.set(readers.count());
    },
    /** Is not ready any more, so that load balancers learn of it; serves as before. */
    announceDrain: () => {
      isLeaving = true;
    },
    /** Refuses new work, and returns the present state to those who wait; streams go on. */
    beginDrain: () => {
      isLeaving = true;
      isDraining = true;
      waiters.endAll();
    },
    /** Resolves when no stream is open. */
    streamsOver: readers.untilNone,
    /** After the HTTP server has stopped: waits for confirms, at most `ms`. */
    endDrain: async (ms: number) => {
      waiters.endLong();
      await outbox.drain(ms);
      waiters.stop();
      lanes.stop();
      models.stop();
      keys.stop();
      waitingGauges.stop();
    },
  };
}
