import { afterAll, beforeAll } from "bun:test";

import type { NewRequest } from "../../core/request/stored-request.ts";
import type { RequestStore } from "../support/fakes/request-store.ts";

/** An empty store whose clock is this machine's. */
export interface RequestStoreSubject {
  store: RequestStore;
  /** The last note of the publisher becomes so much older. */
  agePublisher: (publisherId: string, ms: number) => Promise<void>;
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

export type MakeRequestStore = () => Promise<RequestStoreSubject>;

/** A subject for the tests of one `describe`. */
export function useRequestStore(makeSubject: MakeRequestStore): () => RequestStoreSubject {
  let made: RequestStoreSubject;
  beforeAll(async () => {
    made = await makeSubject();
  });
  afterAll(() => made.stop());
  return () => made;
}

export const idOf = ({ head }: NewRequest): string => head.requestId;

export async function isStored(store: RequestStore, rows: NewRequest[]): Promise<boolean[]> {
  const standings = await store.standings(rows.map(idOf));
  return standings.map((standing) => standing !== undefined);
}
