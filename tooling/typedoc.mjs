// SPDX-License-Identifier: BSD-3-Clause
/**
 * typedoc's configuration: API pages of every public entry of every package that is a library, from the exports of its
 * package.json, so that nothing is listed here that could be forgotten there. `npm run docs` writes docs/api.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Converter, ReflectionKind } from "typedoc";

const root = new URL("../", import.meta.url);
const path = (relative) => fileURLToPath(new URL(relative, root));
/** The cli has no interface but its commands. */
const NO_LIBRARY = new Set(["cli"]);

const entryPoints = readdirSync(path("packages")).filter((name) => !NO_LIBRARY.has(name)).flatMap((name) => {
  const manifest = JSON.parse(readFileSync(path(`packages/${name}/package.json`), "utf8"));
  return Object.values(manifest.exports).flatMap((e) => (e["@vkernel/source"] === undefined ? [] : [path(`packages/${name}/${e["@vkernel/source"]}`)]));
});

/** Pages are called by what a program imports: "hammer/src/node" is @vkernel/hammer/node. */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, reflection) => {
    if (reflection.kindOf(ReflectionKind.Module)) reflection.name = reflection.name.replace(/^(\w+)\/src/, "@vkernel/$1");
  });
}

export default {
  name: "vkernel",
  entryPoints,
  plugin: [fileURLToPath(import.meta.url)],
  out: path("docs/api"),
  tsconfig: path("tooling/tsconfig.docs.json"),
  readme: "none",
  excludePrivate: true,
  excludeInternal: true,
  excludeExternals: true,
  disableSources: true,
  hideGenerator: true,
  sort: ["source-order"],
  validation: { notExported: false, invalidLink: true, notDocumented: false },
  treatValidationWarningsAsErrors: true,
};
