import { Fault } from "../../core/faults.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text is a UUID, in whatever case. */
export const isUuid = (text: string): boolean => UUID.test(text);

/**
 * An id out of a URL. One that is no UUID is treated like an unknown one: there is no request with it.
 *
 * @throws {Fault} REQUEST_UNKNOWN
 */
export function requestIdOf(id: string): string {
  if (!isUuid(id)) throw new Fault("REQUEST_UNKNOWN", "there is no request with this id");
  return id.toLowerCase();
}
