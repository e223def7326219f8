import { estimateTokens } from "../../core/request/estimate.ts";
import { Fault } from "../../core/faults.ts";
import type { GenerateBody } from "../../core/request/generate-body.ts";
import { encodeJson } from "../../core/request/payload.ts";
import type { QuotaUse } from "../../core/quota/quota.ts";
import type { RequestHead } from "../../core/request/request.ts";
import type { Idempotency, NewRequest, Replay } from "../../core/request/stored-request.ts";
import { createGather } from "../../runtime/gather.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import { idempotencyOf } from "./idempotency.ts";
import type { Outbox } from "./outbox.ts";
import { countPrompt, type Plan, planRequest } from "./plan.ts";
import { findReplayed } from "./replay.ts";
import type { Store, Unsure } from "./store.ts";

/** A call that asks for a request, whatever door it came through. */
export interface AcceptCall {
  principal: Principal;
  body: GenerateBody;
  /** Size of the body as it was sent. */
  bodyBytes: number;
  /** null: the caller gave none. */
  idempotencyKey: string | null;
}

/** What a caller is told of the request that was accepted. */
export type AcceptedRequest = Pick<RequestHead, "requestId" | "model" | "estimatedTokens">;

/**
 * `accepted`: a new request, durable. `replay`: the request that the idempotency key already stands for;
 * nothing was taken. `refused`: it does not fit the quota; nothing was taken.
 */
export type AcceptOutcome =
  | { kind: "accepted"; request: AcceptedRequest; quota: QuotaUse }
  | { kind: "replay"; request: AcceptedRequest }
  | { kind: "refused"; estimatedTokens: number; quota: QuotaUse };

/**
 * @throws {Fault} BODY_INVALID, MODEL_UNKNOWN, PROMPT_TOO_LONG; IDEMPOTENCY_MISMATCH, REQUEST_UNKNOWN (a
 *   replay of a request past its retention); OVERLOADED, OUTBOX_FULL; QUOTA_UNAVAILABLE, STORE_UNAVAILABLE;
 *   STORE_UNSURE
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
  | "findRequests"
>;

/** A request before its hold, which says in which windows it counts. */
type Draft = Omit<RequestHead, "windowDay">;

/** How the attempt to hold and store a request ended. */
type StoreAttempt =
  | { kind: "refused"; quota: QuotaUse }
  | { kind: "stored"; head: RequestHead; prompt: Uint8Array; quota: QuotaUse }
  | ({ kind: "replay" } & Replay)
  | Unsure;

/** With so many a call of each server costs little beside them. */
const GATHERED_MAX = 16;

/**
 * The path of every accept after authentication: plan, count, hold, seal, store, publish. Returns only
 * after the commit; it does not wait for the broker's confirm (the outbox sees to it). Whatever fails
 * releases the hold, unless the request may be stored under an idempotency key: then a replay may be
 * accepted for it, so the hold and the place in the outbox stay until its fate is known.
 */
export function createAccept(ports: Ports, store: Store, outbox: Outbox): Accept {
  const together = createGather({
    schedule: ports.schedule,
    now: ports.now,
    waitMs: ports.config().gateway.gather_ms,
    groupMax: GATHERED_MAX,
    isEager: true,
  });

  function release({ userId, requestId }: Draft): void {
    void ports
      .settle([{ userId, requestId, billedTokens: null, expectHold: false }])
      .catch((error: unknown) => {
        ports.log.warn(
          { err: error, request_id: requestId },
          "cannot release a hold; the keeper will",
        );
      });
  }

  function rowOf(head: RequestHead, plan: Plan, idempotency: Idempotency | null): NewRequest {
    return {
      head,
      publisherId: ports.publisherId,
      prompt: ports.seal(encodeJson(plan.payload), head, "prompt"),
      metadata:
        plan.metadata === null ? null : ports.seal(encodeJson(plan.metadata), head, "metadata"),
      // Counted from before the hold: a gateway that froze after it must not store what the keeper has
      // freed as an orphan meanwhile.
      acceptUntilMs: head.createdAtMs + ports.config().gateway.accept_timeout_ms,
      idempotency,
      parked: null,
    };
  }

  /** When it throws, the hold may have been taken; the request is certainly not stored. */
  async function holdAndStore(
    draft: Draft,
    plan: Plan,
    idempotency: Idempotency | null,
  ): Promise<StoreAttempt> {
    const { userId, requestId, estimatedTokens: tokens } = draft;
    const { admitted, snapshot: quota } = await ports.admit({ userId, requestId, tokens });
    if (!admitted) return { kind: "refused", quota };
    ports.reach("G1");
    const head: RequestHead = { ...draft, windowDay: quota.day };
    const row = rowOf(head, plan, idempotency);
    const outcome = await store.insert(row);
    return outcome.kind === "stored"
      ? { kind: "stored", head, prompt: row.prompt, quota }
      : outcome;
  }

  async function acceptNew(
    draft: Draft,
    plan: Plan,
    idempotency: Idempotency | null,
  ): Promise<AcceptOutcome> {
    const { requestId, model, estimatedTokens } = draft;
    // From here to the end the request has a place in the outbox, so that this gateway's note never runs
    // ahead of it.
    outbox.open(requestId);
    let attempt: StoreAttempt;
    try {
      attempt = await holdAndStore(draft, plan, idempotency);
    } catch (error) {
      release(draft);
      outbox.drop(requestId);
      throw error;
    }
    switch (attempt.kind) {
      case "stored":
        ports.reach("G2");
        outbox.publish({ head: attempt.head, attempt: 1, payload: attempt.prompt });
        ports.reach("G4");
        return {
          kind: "accepted",
          request: { requestId, model, estimatedTokens },
          quota: attempt.quota,
        };
      case "refused":
        outbox.drop(requestId);
        return { kind: "refused", estimatedTokens, quota: attempt.quota };
      case "replay":
        release(draft);
        outbox.drop(requestId);
        return { kind: "replay", request: await findReplayed(ports, draft.userId, attempt) };
      case "unsure":
        if (idempotency === null) release(draft);
        void attempt.isStored.then((isStored) => {
          if (isStored) outbox.publishStored(requestId);
          else outbox.drop(requestId);
          if (!isStored && idempotency !== null) release(draft);
        });
        throw idempotency === null ? attempt.fault : mayBeStored(attempt.fault);
    }
  }

  return async ({ principal, body, idempotencyKey }) => {
    const { userId } = principal;
    const plan = planRequest(body, ports.config());
    const idempotency =
      idempotencyKey === null ? null : idempotencyOf(idempotencyKey, userId, body, ports.hashKey);
    if (idempotency !== null) {
      const replay = await ports.findReplay({ userId, ...idempotency });
      if (replay !== undefined)
        return { kind: "replay", request: await findReplayed(ports, userId, replay) };
    }
    const counted = countPrompt(plan, ports.countTokens);
    const promptTokens = typeof counted === "number" ? counted : await counted;
    return together(() => {
      const createdAtMs = ports.now();
      const requestId = ports.newId(createdAtMs);
      const draft = { requestId, userId, createdAtMs, ...planned(plan, promptTokens, createdAtMs) };
      return acceptNew(draft, plan, idempotency);
    });
  };
}

function planned(
  { model, payload, queueTtlMs }: Plan,
  promptTokens: number,
  createdAtMs: number,
): Pick<RequestHead, "model" | "estimatedTokens" | "expiresAtMs"> {
  const estimatedTokens = estimateTokens(promptTokens, payload.maxTokens, payload.n);
  return { model, estimatedTokens, expiresAtMs: createdAtMs + queueTtlMs };
}

/** A row with a key stays if it is there, because a replay may have been accepted for it. */
function mayBeStored(cause: unknown): Fault {
  const message = "the store did not say in time whether the request is stored";
  return new Fault("STORE_UNSURE", message, { cause });
}
