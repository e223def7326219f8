interface Route {
  method: string;
  path: string;
}

/** The methods that the routes take at a path; none: there is no such route. */
export function methodsAt(url: string, routes: readonly Route[]): string[] {
  const path = new URL(url).pathname.split("/");
  const methods = routes
    .filter((route) => {
      const parts = route.path.split("/");
      return (
        parts.length === path.length &&
        parts.every((part, index) => part.startsWith(":") || part === path[index])
      );
    })
    .map((route) => route.method);
  return [...new Set(methods)];
}
