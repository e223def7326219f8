/** Where the three servers are. */
export interface ServerUrls {
  postgres: string;
  redis: string;
  amqp: string;
}

export const SERVER_VARIABLES = {
  postgres: "DATABASE_URL",
  redis: "REDIS_URL",
  amqp: "AMQP_URL",
} as const satisfies Record<keyof ServerUrls, string>;

/** The same as environment variables, as every component reads them. */
export function serverEnvironment(urls: ServerUrls): Record<string, string> {
  return {
    [SERVER_VARIABLES.postgres]: urls.postgres,
    [SERVER_VARIABLES.redis]: urls.redis,
    [SERVER_VARIABLES.amqp]: urls.amqp,
  };
}

/** A URL that may be shown: without its password. */
export function withoutPassword(url: string): string {
  // Several hosts make no URL by the standard.
  return url
    .replace(/^([a-z]+:\/\/[^:@/?]*):.*@/, "$1:***@")
    .replaceAll(/([?&]password=)[^&]*/g, "$1***");
}
