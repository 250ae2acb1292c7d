// SPDX-License-Identifier: BSD-3-Clause
/** `hammer strip`. Questions and output: DragonFly sbin/hammer/cmd_strip.c. -y does not answer for the user here, as there. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { strip, volumeHeaders, type BlockDevice } from "@vkernel/hammer";
import { openDevices } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { display } from "../image/open.ts";
import { answer, hex, printJson, type GlobalOptions } from "./admin-context.ts";

const COUNTDOWN = 5;
/** Bits of a big-block's offset: 4 zone, 8 volume, 10 spare, 19 in layer 2's table, 23 inside. */
const LAYER2_BITS = 23n;

/** Label of the root volume; null if none of the devices is one. */
function rootLabel(devices: readonly BlockDevice[]): string | null {
  for (const d of devices) {
    try {
      const [h] = volumeHeaders([d]);
      if (h!.volNo === 0) return h!.label;
    } catch {
      continue; // no HAMMER volume; it is asked about twice
    }
  }
  return null;
}

function ask(question: string): void {
  process.stdout.write(`${question} [y/n] `);
  if (!answer()) throw new CliError("strip", "No action taken");
}

async function run(volumes: string[], g: GlobalOptions, o: { dryRun?: boolean; json?: boolean }): Promise<void> {
  const devices = openDevices(volumes, { readOnly: o.dryRun ?? false });
  try {
    const label = rootLabel(devices);
    const type = `${label === null ? "devices" : "HAMMER filesystem"}${label === null || label === "" ? "" : ` (${display(label)})`}`;
    if (!o.dryRun) {
      process.stdout.write(`You have requested that ${type} be stripped${label === null ? ", but devices may not be HAMMER filesystem volumes" : ""}\n`);
      ask("Do you really want to do this?");
      if (label === null) ask("Are you absolutely sure you want to do this?");
      process.stdout.write(`Stripping ${type}`);
      for (let i = COUNTDOWN; i > 0 && !g.d; i--) {
        process.stdout.write(`${i === COUNTDOWN ? " in" : ""} ${i}`);
        await sleep(1000);
      }
      process.stdout.write(g.d ? "\n" : ".. starting destruction pass\n");
    }
    const verbose = (g.v ?? 0) > (g.q ?? 0);
    const result = strip(devices, {
      dryRun: o.dryRun ?? false,
      progress: (what) => {
        if (o.json) return;
        if ("header" in what) {
          process.stdout.write(`Stripped volume header ${what.header}\n`);
          return;
        }
        const { bigblock: b, zone } = what;
        const l1 = (b >> 42n) & 0x3ffffn, l2 = (b >> LAYER2_BITS) & 0x7ffffn;
        process.stdout.write(verbose
          ? `Stripped big-block ${hex(b)} zone=${String(zone).padEnd(2)} vol=${String((b >> 52n) & 0xffn).padEnd(3)} L1#=${String(l1).padEnd(6)} `
            + `L2#=${String(l2).padEnd(6)} L1=${String(l1 * 32n).padEnd(7)} L2=${String(l2 * 16n).padEnd(7)}\n`
          : `Stripped big-block ${hex(b)}\n`);
      },
    });
    if (o.json) printJson("hammer strip", { dryRun: o.dryRun ?? false, ...result });
  } finally {
    for (const d of devices) d.close();
  }
}

/** Adds the command to `hammer`. */
export function registerStrip(hammer: Command, options: () => GlobalOptions, volumes: () => string[]): void {
  hammer.command("strip").description("make a file system unmountable and unrecoverable by overwriting its metadata")
    .option("--dry-run", "only tell what would be overwritten; asks nothing").option("--json", "print the result as JSON")
    .addHelpText("after", "\nAsks, whether -y is given or not, and waits five seconds, unless -d is given. The data itself stays in the image.")
    .action((o: { dryRun?: boolean; json?: boolean }) => run(volumes(), options(), o));
}
