// SPDX-License-Identifier: BSD-3-Clause
/**
 * Entry for the build step that generates the interpreter ahead (scripts/prebuild.js). Not part of the public interface.
 * @module
 */
export { generateForPrebuild } from "./interp/module-cache.ts";
