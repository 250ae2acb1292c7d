// SPDX-License-Identifier: BSD-3-Clause
/** The names that users of the package see. A change here is a change of the interface. */
import { expect, it } from "vitest";
import * as hammer from "../src/index.ts";
import * as node from "../src/node.ts";

it("exposes exactly these names", () => {
  expect(Object.keys(hammer).sort()).toMatchInlineSnapshot(`
    [
      "BufferMiss",
      "HammerError",
      "MAX_TID",
      "MemoryDevice",
      "OverlayDevice",
      "blockmap",
      "checkmap",
      "crc32",
      "crc32c",
      "fromByteString",
      "isBufferMiss",
      "isHammerError",
      "mount",
      "namekey",
      "newfs",
      "recover",
      "resolvePath",
      "show",
      "showUndo",
      "sizeToStr",
      "splitPath",
      "toByteString",
      "uuidBytes",
      "uuidText",
      "volumeHeaders",
    ]
  `);
  expect(Object.keys(node).sort()).toMatchInlineSnapshot(`
    [
      "FileDevice",
      "ImageLock",
      "createImage",
      "openDevices",
      "openImage",
      "systemNow",
      "volumePaths",
    ]
  `);
});
