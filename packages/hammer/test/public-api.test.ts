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
      "MirrorDump",
      "MirrorReceiver",
      "MirrorReplies",
      "OverlayDevice",
      "Salvage",
      "VERSION_DESCRIPTIONS",
      "addSnapshot",
      "addVolume",
      "blockmap",
      "checkmap",
      "crc32",
      "crc32c",
      "createPfs",
      "dedup",
      "destroyPfs",
      "downgradePfs",
      "freePfsId",
      "fromByteString",
      "isBufferMiss",
      "isHammerError",
      "mirrorCopy",
      "mirrorHello",
      "mirrorTerm",
      "mirrorUpdate",
      "mirrorWindows",
      "mirrorWrite",
      "mount",
      "namekey",
      "newfs",
      "prune",
      "pruneTable",
      "rebalance",
      "reblock",
      "recover",
      "removeSnapshot",
      "removeVolume",
      "resolvePath",
      "setConfig",
      "show",
      "showUndo",
      "sizeToStr",
      "splitPath",
      "strip",
      "takeSnapshotTid",
      "toByteString",
      "updatePfs",
      "upgradePfs",
      "upgradeVersion",
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
