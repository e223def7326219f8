import { describeError } from "../../adapters/terminal/failure.ts";
import { operate } from "../operator/operate.ts";
import { look } from "./look.ts";

/** What is wrong with the system that commands work on now, a line each. Never throws. */
export async function findTrouble(): Promise<string[]> {
  try {
    const needs = { servers: ["postgres", "redis", "amqp"], secrets: [] } as const;
    return await operate(needs, async (operation) => {
      const { conditions } = await look(operation);
      return conditions.map(({ text }) => text);
    });
  } catch (error) {
    return [`what is wrong could not be found out: ${describeError(error)}`];
  }
}
