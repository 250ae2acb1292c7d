// SPDX-License-Identifier: BSD-3-Clause
/** Roots of Debian packages for programs.js, and HAMMER images of them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Apt, output } from "../../../tooling/apt.mjs";
import { debianRoot, debianSource } from "../../../tooling/debian-root.mjs";

const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url));

/** An npm package, unpacked under /usr/lib/npm/<name> with its bin/ programs in /usr/local/bin. */
function npmPackage(root, name, cache) {
  const target = path.join(root, "usr/lib/npm", name);
  if (existsSync(target)) return;
  mkdirSync(cache, { recursive: true });
  const [packed] = JSON.parse(output("npm", ["pack", "--json", "--pack-destination", cache, name]));
  const making = `${target}.new`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  const file = path.join(cache, packed.filename.replace("@", "").replace("/", "-"));
  output("tar", ["xf", file, "-C", making, "--strip-components=1"]);
  renameSync(making, target);
  output("ln", [
    "-sf",
    ...packed.files.filter((f) => f.path.startsWith("bin/")).map((f) => `/usr/lib/npm/${name}/${f.path}`),
    path.join(root, "usr/local/bin/"),
  ]);
}

/**
 * The root of a suite { packages, sources, npm } in `dir`, made when it is not there: Debian packages with what they depend on,
 * original sources of Debian source packages in /usr/src/<name>, npm packages.
 */
export function prepareRoot(dir, suite, say) {
  const root = path.join(dir, "root");
  const apt = new Apt(path.join(dir, "apt"), { alone: "i386" });
  debianRoot(root, suite.packages, apt, say);
  for (const name of suite.sources ?? []) debianSource(path.join(root, "usr/src", name), name, apt, say);
  mkdirSync(path.join(root, "usr/local/bin"), { recursive: true });
  for (const name of suite.npm ?? []) npmPackage(root, name, path.join(dir, "npm"));
  return root;
}

/** Makes `file` a HAMMER image with the files of `root`; `size` as for `vkernel image create`. */
export function makeImage(file, root, size, say) {
  say("making a HAMMER image");
  output(process.execPath, [bin("vkernel"), "image", "create", file, "--size", size, "--from", root]);
}

/** HAMMER keeps what is removed until it is pruned, so there is room for all that a case with large files ever makes. */
const IMAGE_SIZE = "32g";

/** A fresh HAMMER image with the files of `root` beside it. */
export function imageOf(root, say) {
  const file = path.join(path.dirname(root), `run-${process.pid}.hammer`);
  makeImage(file, root, IMAGE_SIZE, say);
  return { file, remove: () => rmSync(file) };
}

/** Null, or what `hammer checkmap` says about an image whose maps do not agree with what is in use. */
export function imageIsSound(image) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin("hammer"), "-f", image, "checkmap"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return status === 0 ? null : `${stdout}${stderr}`.trim().split("\n").slice(-3).join("; ");
}
