import { estimateTokens } from "../../core/estimate.ts";
import { Fault } from "../../core/faults.ts";
import { createGather } from "../../runtime/gather.ts";
import type { QueuedRequest } from "../../core/messages.ts";
import { encodeJson } from "../../core/payload.ts";
import type { QuotaUse } from "../../core/quota/quota.ts";
import type { RequestHead } from "../../core/request.ts";
import type { Outbox } from "./outbox.ts";
import { countPrompt, type Plan, planRequest } from "./plan.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import { quotaFault } from "../http/quota-fault.ts";
import { rateHeaders } from "../http/rate-headers.ts";
import { acceptedReply, replayedReply } from "./replay.ts";
import type { AcceptedReply } from "../http/schemas.ts";
import type { GenerateBody } from "../../core/generate-body.ts";
import type { Store, Unsure } from "./store.ts";
import type { NewRequest, Replay } from "../../core/stored-request.ts";

export interface Accepted {
  reply: AcceptedReply;
  headers: Record<string, string>;
}

/** An `Idempotency-Key` with the body it came with, both as keyed hashes. */
export interface Idempotency {
  keyHash: Uint8Array;
  fingerprint: Uint8Array;
}

type Ports = Pick<
  GatewayPorts,
  | "publisherId"
  | "config"
  | "log"
  | "now"
  | "schedule"
  | "newId"
  | "reach"
  | "countTokens"
  | "admit"
  | "settle"
  | "seal"
  | "findReplay"
  | "findRequests"
>;

/** With so many a call of each server costs little beside them. */
const GATHERED_MAX = 16;

export type Accept = (
  principal: Principal,
  body: GenerateBody,
  idempotency: Idempotency | null,
) => Promise<Accepted>;

/**
 * The path of `POST /generate` after authentication: plan, count, hold, seal, store, publish. Answers only after the commit; the
 * broker's confirm is not waited for (the outbox sees to it). Whatever fails takes the hold back, unless the request may be stored under
 * an idempotency key: then a repeat may be answered 202 for it, so hold and place in the outbox stay until its fate is known.
 */
export function createAccept(ports: Ports, store: Store, outbox: Outbox): Accept {
  const together = createGather({
    schedule: ports.schedule,
    now: ports.now,
    waitMs: ports.config().gateway.gather_ms,
    groupMax: GATHERED_MAX,
    isEager: true,
  });

  function release(head: Omit<RequestHead, "windowDay">): void {
    void ports
      .settle([
        { userId: head.userId, requestId: head.requestId, billedTokens: null, expectHold: false },
      ])
      .catch((error: unknown) => {
        ports.log.warn(
          { err: error, request_id: head.requestId },
          "cannot release a hold; the keeper will",
        );
      });
  }

  async function answerReplay(principal: Principal, replay: Replay): Promise<Accepted> {
    const reply = await replayedReply(ports, principal, replay);
    return { reply, headers: { "idempotency-replayed": "true" } };
  }

  async function hold(
    head: Omit<RequestHead, "windowDay">,
  ): Promise<{ head: RequestHead; snapshot: QuotaUse }> {
    const { userId, requestId, estimatedTokens: tokens } = head;
    const { admitted, snapshot } = await ports
      .admit({ userId, requestId, tokens })
      .catch((error: unknown) => {
        // Whether the hold was taken is unknown.
        release(head);
        throw error;
      });
    if (!admitted) throw quotaFault(snapshot, head.estimatedTokens);
    ports.reach("G1");
    return { head: { ...head, windowDay: snapshot.day }, snapshot };
  }

  function rowOf(head: RequestHead, plan: Plan, idempotency: Idempotency | null): NewRequest {
    return {
      head,
      publisherId: ports.publisherId,
      prompt: ports.seal(encodeJson(plan.payload), head, "prompt"),
      metadata:
        plan.metadata === null ? null : ports.seal(encodeJson(plan.metadata), head, "metadata"),
      // From before the hold: a gateway that froze after it must not store what the keeper has freed as an orphan meanwhile.
      acceptUntilMs: head.createdAtMs + ports.config().gateway.accept_timeout_ms,
      idempotency,
    };
  }

  async function acceptNew(
    draft: Omit<RequestHead, "windowDay">,
    plan: Plan,
    idempotency: Idempotency | null,
  ): Promise<Accepted | Replay | Unsure> {
    const { head, snapshot } = await hold(draft);
    try {
      const row = rowOf(head, plan, idempotency);
      const outcome = await store.insert(row);
      if (outcome.kind !== "stored") {
        if (outcome.kind === "replay" || idempotency === null) release(head);
        else void outcome.isStored.then((isStored) => isStored || release(head));
        return outcome;
      }
      ports.reach("G2");
      const request: QueuedRequest = { head, attempt: 1, payload: row.prompt };
      outbox.publish(request);
      ports.reach("G4");
    } catch (error) {
      release(head);
      throw error;
    }
    return {
      reply: acceptedReply(head.requestId, head.model, head.estimatedTokens),
      headers: rateHeaders(snapshot),
    };
  }

  async function acceptCounted(
    principal: Principal,
    plan: Plan,
    promptTokens: number,
    idempotency: Idempotency | null,
  ): Promise<Accepted> {
    // From here to the end the request has a place in the outbox, so that the note of this gateway never runs ahead of it.
    const createdAtMs = ports.now();
    const requestId = ports.newId(createdAtMs);
    outbox.open(requestId);
    let accepted: Accepted | Replay | Unsure;
    try {
      const { userId } = principal;
      const draft = { requestId, userId, createdAtMs, ...planned(plan, promptTokens, createdAtMs) };
      accepted = await acceptNew(draft, plan, idempotency);
    } catch (error) {
      outbox.drop(requestId);
      throw error;
    }
    if ("reply" in accepted) return accepted;
    if ("requestId" in accepted) {
      outbox.drop(requestId);
      return answerReplay(principal, accepted);
    }
    void accepted.isStored.then((isStored) =>
      isStored ? outbox.publishStored(requestId) : outbox.drop(requestId),
    );
    throw idempotency === null ? accepted.fault : mayBeStored(accepted.fault);
  }

  return async (principal, body, idempotency) => {
    const plan = planRequest(body, ports.config());
    if (idempotency !== null) {
      const replay = await ports.findReplay({ userId: principal.userId, ...idempotency });
      if (replay !== undefined) return answerReplay(principal, replay);
    }
    const counted = countPrompt(plan, ports.countTokens);
    const promptTokens = typeof counted === "number" ? counted : await counted;
    return together(() => acceptCounted(principal, plan, promptTokens, idempotency));
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

/** A row with a key stays if it is there, because a repeat may have been answered 202 for it. */
function mayBeStored(cause: unknown): Fault {
  const message = "the store did not say in time whether the request is stored";
  return new Fault("STORE_UNSURE", message, { cause });
}
