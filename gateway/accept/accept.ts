import { Fault } from "../../core/faults.ts";
import type { Ask } from "../../core/request/ask.ts";
import { encodeJson, encodePayload } from "../../core/request/payload.ts";
import type { QuotaUse } from "../../core/quota/quota.ts";
import type { Priority } from "../../core/queue/fair-order.ts";
import type { Waiting } from "../../core/queue/lane.ts";
import { hindranceOf } from "../../core/queue/waiting.ts";
import type { RequestHead } from "../../core/request/request.ts";
import type {
  Idempotency,
  NewRequest,
  Replay,
  RequestRef,
  StoredRequest,
} from "../../core/request/stored-request.ts";
import { createGather } from "../../runtime/gather.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import { idempotencyOf } from "./idempotency.ts";
import type { ModelWatch } from "../read/model-watch.ts";
import type { Lanes } from "./lanes.ts";
import type { Outbox } from "./outbox.ts";
import type { ParkedNews } from "./parked-news.ts";
import { checkModel } from "./key-scopes.ts";
import { estimateOf, type Plan, planRequest } from "./plan.ts";
import { findReplayed } from "./replay.ts";
import type { Store, Unsure } from "./store.ts";
import type { BrokenCalls } from "./broken-calls.ts";
import { createReattach } from "./reattach.ts";
import { planTurn } from "./turn.ts";

/** A call that asks for a request, whatever door it came through. */
export interface AcceptCall {
  principal: Principal;
  ask: Ask;
  /** Size of the body as it was sent. */
  bodyBytes: number;
  /** null: the caller gave none. */
  idempotencyKey: string | null;
  /** Of a call that is held open until its request has ended, and that its SDK repeats by itself. */
  held?: { tries: number | null };
}

/** What a caller is told of the request that was accepted. */
export type AcceptedRequest = Pick<RequestHead, "requestId" | "model" | "estimatedTokens">;

/**
 * `accepted`: a new request, durable; `waiting` says why its model cannot be called now, null: it can.
 * `replay`: the request that the idempotency key already stands for;
 * nothing was taken. `refused`: it does not fit the quota; nothing was taken.
 */
export type AcceptOutcome =
  | { kind: "accepted"; request: AcceptedRequest; quota: QuotaUse; waiting: Waiting | null }
  | { kind: "replay"; request: AcceptedRequest & Pick<StoredRequest, "state"> }
  | { kind: "refused"; estimatedTokens: number; quota: QuotaUse };

/**
 * @throws {Fault} BODY_INVALID, MODEL_UNKNOWN, PROMPT_TOO_LONG, MESSAGE_TOO_LARGE; IDEMPOTENCY_MISMATCH,
 *   REQUEST_UNKNOWN (a replay of a request past its retention); OVERLOADED, OUTBOX_FULL; QUOTA_UNAVAILABLE,
 *   STORE_UNAVAILABLE; STORE_UNSURE
 */
export type Accept = (call: AcceptCall) => Promise<AcceptOutcome>;

type Ports = Pick<
  GatewayPorts,
  | "publisherId"
  | "config"
  | "log"
  | "now"
  | "schedule"
  | "newId"
  | "reach"
  | "hashKey"
  | "countTokens"
  | "admit"
  | "settle"
  | "seal"
  | "findReplay"
  | "claimCall"
  | "letGoCall"
  | "findRequests"
>;

/** A request before its hold, which says in which windows it counts. */
interface Draft {
  head: Omit<RequestHead, "windowDay">;
  priority: Priority;
  plan: Plan;
  idempotency: Idempotency | null;
}

/** How the attempt to hold and store a request ended. */
type StoreAttempt =
  | { kind: "refused"; quota: QuotaUse }
  | { kind: "stored"; row: NewRequest; quota: QuotaUse }
  | ({ kind: "replay" } & Replay)
  | ({ row: NewRequest } & Unsure);

/** With so many a call of each server costs little beside them. */
const GATHERED_MAX = 16;

/** Where accepted requests go, and what is known of their models. */
interface Ways {
  store: Pick<Store, "insert">;
  outbox: Pick<Outbox, "open" | "drop" | "publish" | "publishStored">;
  lanes: Pick<Lanes, "takeDirect">;
  news: ParkedNews;
  models: Pick<ModelWatch, "factsOf">;
  broken: Pick<BrokenCalls, "take">;
}

/**
 * The path of every accept after authentication: plan, count, hold, seal, store, publish. What may not be
 * published now is stored as parked, and the dispatcher is told. Returns only after the commit; it does not
 * wait for the broker's confirm (the outbox sees to it). Whatever fails releases the hold, unless the request
 * may be stored under an idempotency key: then a replay may be accepted for it, so the hold and the place in
 * the outbox stay until its fate is known.
 */
export function createAccept(ports: Ports, ways: Ways): Accept {
  const { outbox, news, models, broken } = ways;
  const reattach = createReattach(ports);
  const holdAndStore = createHoldAndStore(ports, ways);
  const together = createGather({
    schedule: ports.schedule,
    now: ports.now,
    waitMs: ports.config().gateway.gather_ms,
    groupMax: GATHERED_MAX,
    isEager: true,
  });

  function release({ userId, requestId }: RequestRef): void {
    void ports
      .settle([{ userId, requestId, billedTokens: null, failedExecutions: 0, expectHold: false }])
      .catch((error: unknown) => {
        ports.log.warn(
          { err: error, request_id: requestId },
          "cannot release a hold; the keeper will",
        );
      });
  }

  /** Its caller is refused: a repetition may have it. */
  function letGo({ userId, requestId }: RequestRef): void {
    void ports.letGoCall({ userId, requestId, isAnswered: false }).catch((error: unknown) => {
      ports.log.warn({ err: error, request_id: requestId }, "cannot let a call go");
    });
  }

  /** Sends a stored request on its way. */
  function send({ head, prompt: payload, priority }: NewRequest): void {
    ports.reach("G2");
    const request = { head, attempt: 1, payload };
    outbox.publish(priority === "normal" ? request : { ...request, priority });
  }

  /** Leaves a stored request to the dispatcher: it is not of the outbox any more. */
  function leave({ head: { requestId, userId, model }, priority }: Draft): void {
    ports.reach("G5");
    outbox.drop(requestId);
    news.tell({ model, userId, priority });
  }

  function accepted({ head }: Draft, quota: QuotaUse): AcceptOutcome {
    const { requestId, model, estimatedTokens } = head;
    const request = { requestId, model, estimatedTokens };
    return { kind: "accepted", request, quota, waiting: hindranceOf(models.factsOf(model)) };
  }

  async function acceptNew(draft: Draft): Promise<AcceptOutcome> {
    const { head, idempotency } = draft;
    const { requestId, estimatedTokens } = head;
    // From here to the end the request has a place in the outbox, so that this gateway's note never runs
    // ahead of it.
    outbox.open(requestId);
    let attempt: StoreAttempt;
    try {
      attempt = await holdAndStore(draft);
    } catch (error) {
      release(head);
      outbox.drop(requestId);
      throw error;
    }
    switch (attempt.kind) {
      case "stored":
        if (attempt.row.isParked) leave(draft);
        else send(attempt.row);
        ports.reach("G4");
        return accepted(draft, attempt.quota);
      case "refused":
        outbox.drop(requestId);
        return { kind: "refused", estimatedTokens, quota: attempt.quota };
      case "replay":
        release(head);
        outbox.drop(requestId);
        return { kind: "replay", request: await findReplayed(ports, head.userId, attempt) };
      case "unsure": {
        const { row, fault, isStored } = attempt;
        if (idempotency === null) release(head);
        void isStored.then((stored) => {
          if (stored && row.isParked) leave(draft);
          else if (stored) outbox.publishStored(requestId);
          else outbox.drop(requestId);
          if (!stored && idempotency !== null) release(head);
          if (stored && idempotency?.tries !== undefined) letGo(head);
        });
        const { accept_timeout_ms: acceptMs } = ports.config().gateway;
        throw idempotency === null ? fault : mayBeStored(fault, acceptMs);
      }
    }
  }

  return async ({ principal, ask, idempotencyKey, held }) => {
    const { userId, tier } = principal;
    const plan = planRequest(ask, ports.config());
    checkModel(principal, plan.model);
    const idempotency = idempotencyOf({ key: idempotencyKey, held }, userId, ask, ports.hashKey);
    if (held !== undefined && idempotency?.tries !== undefined) {
      const call = { userId, fingerprint: idempotency.fingerprint };
      // An application that calls again after a broken stream does not count.
      const tries = held.tries === 0 && broken.take(call) ? null : held.tries;
      const requestId = tries === 0 ? null : await reattach({ ...call, tries });
      if (requestId !== null) {
        ports.reach("G6");
        const request = await findReplayed(ports, userId, { requestId, sameBody: true });
        return { kind: "replay", request };
      }
    }
    if (idempotencyKey !== null && idempotency !== null) {
      const replay = await ports.findReplay({ userId, ...idempotency });
      if (replay !== undefined)
        return { kind: "replay", request: await findReplayed(ports, userId, replay) };
    }
    const counted = estimateOf(plan, ports.countTokens);
    const estimatedTokens = typeof counted === "number" ? counted : await counted;
    const { model } = plan;
    return together(() => {
      const createdAtMs = ports.now();
      const { priority, expiresAtMs } = planTurn(plan, tier, createdAtMs, ports.config());
      const requestId = ports.newId(createdAtMs);
      const head = { requestId, userId, model, createdAtMs, estimatedTokens, expiresAtMs };
      return acceptNew({ head, priority, plan, idempotency });
    });
  };
}

/** When it throws, the hold may have been taken; the request is certainly not stored. */
function createHoldAndStore(
  ports: Pick<Ports, "publisherId" | "config" | "admit" | "seal" | "reach">,
  { store, lanes }: Pick<Ways, "store" | "lanes">,
): (draft: Draft) => Promise<StoreAttempt> {
  function rowOf(draft: Draft, payload: Uint8Array, windowDay: string): NewRequest {
    const { plan, priority, idempotency } = draft;
    const head: RequestHead = { ...draft.head, windowDay };
    return {
      head,
      publisherId: ports.publisherId,
      prompt: ports.seal(payload, head, "prompt"),
      metadata:
        plan.metadata === null ? null : ports.seal(encodeJson(plan.metadata), head, "metadata"),
      // Counted from before the hold: a gateway that froze after it must not store what the keeper has
      // freed as an orphan meanwhile.
      acceptUntilMs: head.createdAtMs + ports.config().gateway.accept_timeout_ms,
      idempotency,
      priority,
      isParked: !lanes.takeDirect(head.model),
    };
  }

  return async (draft) => {
    const { userId, requestId, estimatedTokens: tokens } = draft.head;
    const payload = encodePayload(draft.plan.payload);
    checkMessage(payload, ports.config().amqp.message_bytes_max);
    const { admitted, snapshot: quota } = await ports.admit({ userId, requestId, tokens });
    if (!admitted) return { kind: "refused", quota };
    ports.reach("G1");
    const row = rowOf(draft, payload, quota.day);
    const outcome = await store.insert(row);
    switch (outcome.kind) {
      case "stored":
        return { kind: "stored", row, quota };
      case "replay":
        return outcome;
      case "unsure":
        return { ...outcome, row };
    }
  };
}

/** Its seal makes it a little longer; what is just below is refused by the queue, and ends as failed. */
function checkMessage({ byteLength }: Uint8Array, bytesMax: number): void {
  if (byteLength > bytesMax)
    throw new Fault(
      "MESSAGE_TOO_LARGE",
      `the request has ${byteLength} bytes; the queue takes at most ${bytesMax}`,
    );
}

/** A row with a key stays if it is there, because a replay may have been accepted for it. */
function mayBeStored(cause: unknown, acceptMs: number): Fault {
  const message = "the store did not say in time whether the request is stored";
  // By then it is stored or never will be.
  return new Fault("STORE_UNSURE", message, {
    cause,
    retryAfterSeconds: Math.ceil(acceptMs / 1_000),
  });
}
