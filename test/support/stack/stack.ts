import { type Stack, type StackOptions, startStack } from "../../../local/stack/stack.ts";
import { type Api, createApi } from "../../../history/api.ts";
import { quickSettings } from "./quick-settings.ts";
import { makeUser, type TestUser, type UserLimitsWish } from "./users.ts";
import { requirePepper } from "../../../core/config/pepper.ts";

/** A stack with quick times, and people who call it. */
export interface TestStack extends Stack {
  addUser: (wish?: UserLimitsWish) => Promise<TestUser>;
  /** The API of a gateway as a user sees it; null: without a key. */
  api: (user: TestUser | null, gateway?: number) => Api;
}

/** Starts a stack; each process is ready when this returns. What was started is gone again when it throws. */
export async function startTestStack(options: StackOptions): Promise<TestStack> {
  const { settings = {}, ownSimulators } = options;
  const stack = await startStack({
    ...options,
    settings: await quickSettings(settings, ownSimulators),
  });
  return {
    ...stack,
    configure: async (changes) => stack.configure(await quickSettings(changes, ownSimulators)),
    addUser: (wish) => makeUser(stack.books.database, requirePepper(stack.config), wish),
    api: (user, gateway = 0) => {
      const chosen = stack.gateways[gateway];
      if (chosen === undefined) throw new Error(`there is no gateway ${gateway}`);
      return createApi(chosen.url, user?.apiKey ?? null);
    },
  };
}
