import { describeRequestEnds } from "./request-ends.ts";
import { describeRequestInserts } from "./request-inserts.ts";
import { describeRequestOutboxes } from "./request-outboxes.ts";
import { describeRequestPlaces } from "./request-places.ts";
import { describeRequestReads } from "./request-reads.ts";
import type { MakeRequestStore } from "./request-store-subject.ts";

/** What the store of requests, ledger, idempotency keys and outboxes promises, each part with its own. */
export function describeRequestStoreContract(name: string, makeSubject: MakeRequestStore): void {
  describeRequestInserts(name, makeSubject);
  describeRequestEnds(name, makeSubject);
  describeRequestReads(name, makeSubject);
  describeRequestPlaces(name, makeSubject);
  describeRequestOutboxes(name, makeSubject);
}
