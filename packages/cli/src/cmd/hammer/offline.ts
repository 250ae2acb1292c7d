// SPDX-License-Identifier: BSD-3-Clause
/** The commands of hammer(8) that look at volumes without mounting them: show, show-undo, blockmap, checkmap. */
import type { Command } from "commander";
import { blockmap, checkmap, show, showUndo, volumeHeaders, type BlockDevice, type ShownNode, type ShowOptions } from "@vkernel/hammer";
import { openDevices } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { display } from "../image/open.ts";
import { jsonText } from "./admin-context.ts";
import { verbosity, type GlobalOptions } from "./options.ts";
import { bufferedOutput } from "./output.ts";

interface OfflineOptions { json?: boolean }
type Print = (text: string) => void;

/** Opens the -f volumes without mounting, runs a tool that prints, closes them. */
function offline(volumes: string[], tool: (devices: readonly BlockDevice[], print: Print) => void): void {
  const devices = openDevices(volumes, { readOnly: true });
  const out = bufferedOutput();
  try {
    tool(devices, out.print);
    out.flush();
    tellShort(devices);
  } finally {
    out.flush();
    for (const d of devices) d.close();
  }
}

/** These tools show what there is of a file that was cut short, so they have to say that it was. */
function tellShort(devices: readonly BlockDevice[]): void {
  for (const [i, { bufEnd }] of volumeHeaders(devices).entries()) {
    const { name, size } = devices[i]!;
    if (bufEnd <= size) continue;
    process.stderr.write(`hammer: ${name}: the volume ends at byte ${bufEnd} but the file has only ${size}: it was cut short\n`);
    process.exitCode = 1;
  }
}

function levels(g: GlobalOptions): { quiet: number; verbose: number } {
  const level = verbosity(g);
  return { quiet: Math.max(0, -level), verbose: Math.max(0, level) };
}

/** `show` takes its key and these words in any order. */
function showOptions(args: string[]): ShowOptions {
  const words = new Set(args.flatMap((a) => a.split(",")));
  const take = (word: string): boolean => words.delete(word);
  const filter = take("filter") ? "yes" : take("nofilter") ? "no" : "default";
  const obfuscate = take("obfuscate");
  const indent = take("indent");
  const [search, extra] = [...words];
  if (extra !== undefined) throw new CliError("show", `'${extra}' is no option`, "filter, nofilter, obfuscate, indent");
  if (search !== undefined && search !== "none" && !/^(?:(?:0x)?[0-9a-f]+)(?::(?:0x)?[0-9a-f]+){0,4}$/i.test(search))
    throw new CliError("show", `'${search}' is no key`, "lo[:objid[:rt[:key[:tid]]]] in hex");
  return { search, filter, obfuscate, indent };
}

/** Headers of the volumes, as every JSON answer about them begins with. */
function headers(devices: readonly BlockDevice[]): object[] {
  return volumeHeaders(devices).map(({ volNo, volumes, version, label, fsid, bufBeg, bufEnd, btreeRoot, nextTid }, i) =>
    ({ name: devices[i]!.name, volNo, volumes, version, label: display(label), fsid, bufBeg, bufEnd, btreeRoot, nextTid }));
}

const none: Print = () => {};

/**
 * A document with a list of unknown length in it, written as it comes: `{ head, "<name>": [ … ], tail }`. The list's
 * members are lines of their own.
 */
function jsonList(print: Print, command: string, head: object, name: string, fill: (add: (item: object) => void) => object): void {
  const start = jsonText(command, head).replace(/\n\}\n$/, "");
  print(`${start},\n  "${name}": [`);
  let first = true;
  const tail = fill((item) => {
    print(`${first ? "" : ","}\n    ${jsonText(null, item, 0).trimEnd()}`);
    first = false;
  });
  print(`\n  ],\n${jsonText(null, tail).replace(/^\{\n/, "")}`);
}

/** A node with what its kind of elements has. */
function nodeJson(n: ShownNode): object {
  const leaf = n.type === "L";
  return {
    ...n,
    elements: n.elements.map(({ mirrorTid, subtreeOffset, dataOffset, dataLen, dataCrc, error, ...base }) =>
      leaf ? { ...base, dataOffset, dataLen, dataCrc, error } : { ...base, mirrorTid, subtreeOffset }),
  };
}

/** Adds the commands to `hammer`. */
export function registerOffline(hammer: Command, options: () => GlobalOptions, volumes: () => string[]): void {
  hammer.command("show").argument("[key-and-options...]", "lo[:objid[:rt[:key[:tid]]]] filter nofilter obfuscate indent")
    .description("print and check the B-Tree").option("--json", "print nodes and summary as JSON")
    .addHelpText("after", `
Every CRC is checked, those of data, too. In column 1 of a node or element, B means bad, with the reason in the letters behind.
The key is in hex; the PFS is the upper half of the localization: PFS 1 is 00010000. With a key only what leads to it is
printed up to it, and everything from there on.

  -q before the command: less; -qq: no contents of records    -v: totals and fill statistics    -vvv, -vvvv: data, too`)
    .action((args: string[], o: OfflineOptions) => offline(volumes(), (d, print) => {
      const opts = { ...showOptions(args), ...levels(options()) };
      if (!o.json) show(d, print, opts);
      else jsonList(print, "hammer show", { volumes: headers(d) }, "nodes", (add) => ({ summary: show(d, none, { ...opts, onNode: (n) => add(nodeJson(n)) }) }));
    }));
  hammer.command("show-undo").description("print the UNDO/REDO FIFO").option("--json", "print the records as JSON")
    .addHelpText("after", "\n> marks where the span that recovery would undo begins, < where it ends.")
    .action((o: OfflineOptions) => offline(volumes(), (d, print) => {
      if (!o.json) showUndo(d, print);
      else jsonList(print, "hammer show-undo", { volumes: headers(d) }, "records", (add) => {
        let records = 0;
        showUndo(d, none, (r) => { records++; add(r); });
        return { summary: { records } };
      });
    }));
  hammer.command("blockmap").description("print the freemap").option("--json", "print the entries as JSON")
    .action((o: OfflineOptions) => offline(volumes(), (d, print) => {
      if (!o.json) blockmap(d, print, levels(options()));
      else jsonList(print, "hammer blockmap", { volumes: headers(d) }, "bigblocks", (add) => ({ summary: blockmap(d, none, { ...levels(options()), onEntry: add }) }));
    }));
  hammer.command("checkmap").description("compare the freemap with a recount").option("--json", "print the differences as JSON")
    .addHelpText("after", "\nNothing behind the three lines: the freemap is right. BZ: zone, BM: free bytes of a big-block are not as counted.")
    .action((o: OfflineOptions) => offline(volumes(), (d, print) => {
      if (!o.json) checkmap(d, print, levels(options()));
      else jsonList(print, "hammer checkmap", { volumes: headers(d) }, "differences", (add) => ({ summary: checkmap(d, none, { onDifference: add }) }));
    }));
}
