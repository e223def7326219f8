/** Lua files are imported as text: `import admit from "…/admit.lua" with { type: "text" }`. */
declare module "*.lua" {
  const source: string;
  export default source;
}
