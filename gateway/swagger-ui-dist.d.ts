/** The package ships no types of its own. */
declare module "swagger-ui-dist" {
  /** Folder that holds the files of the page. */
  export function absolutePath(): string;
}
