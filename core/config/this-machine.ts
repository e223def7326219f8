/** Whether what is sent to this host, or into this folder of sockets, is seen by nobody on a network. */
export const isThisMachine = (host: string): boolean =>
  host.startsWith("/") || host === "localhost" || host === "::1" || host.startsWith("127.");
