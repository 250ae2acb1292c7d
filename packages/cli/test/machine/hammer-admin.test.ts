// SPDX-License-Identifier: BSD-3-Clause
/** Maintenance of images with `hammer`, as users run it. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { hammer, scratch, vkernel, type Result } from "./harness.ts";

const dir = scratch();
const img = path.join(dir, "disk.img");

function ok(r: Result): string {
  expect({ status: r.status, stderr: r.stderr }).toEqual({ status: 0, stderr: "" });
  return r.stdout;
}
const run = (...args: string[]): string => ok(hammer(["-f", img, ...args]));

function copyOf(file: string): string {
  copyFileSync(file, `${file}.copy`);
  return `${file}.copy`;
}

/** Puts a file of `size` bytes, all the same letter, into the image. */
function put(name: string, letter: string, size = 100_000): void {
  const file = path.join(dir, "file");
  writeFileSync(file, letter.repeat(size));
  ok(vkernel(["image", "cp", file, `${img}:/${name}`]));
}

describe("hammer on an image", () => {
  it("snapshots keep what prune would take", () => {
    ok(vkernel(["image", "create", img, "--size", "256m"]));
    put("a", "1");
    const first = run("snapq", "/", "first").trim();
    expect(first).toMatch(/^\/@@0x[0-9a-f]{16}$/);
    put("a", "2");
    put("a", "3");
    expect(run("snap", "/snap-%Y%m%d", "second")).toMatch(/^\/snap-\d{8}\n$/);
    put("a", "4");
    expect(run("snapls")).toMatch(/^Snapshots on \/\tPFS#0\nTransaction ID\t\tTimestamp\t\tNote\n0x[0-9a-f]{16}\t.*\tfirst\n0x[0-9a-f]{16}\t.*\tsecond\n$/);
    const would = /Pruned (\d+)\/\d+ records/.exec(run("prune", "--dry-run", "/"))!;
    const did = /Prune \/ succeeded\nPruned (\d+)\/\d+ records/.exec(run("prune", "/"))!;
    expect(Number(did[1])).toBeGreaterThan(0);
    expect(did[1]).toBe(would[1]);
    expect(ok(vkernel(["image", "cat", img, `/a${first.slice(1)}`]))).toBe("1".repeat(100_000));
    expect(ok(vkernel(["image", "cat", img, "/a"]))).toBe("4".repeat(100_000));
  });

  it("destroys only when told to", () => {
    const refused = hammer(["-f", img, "prune-everything", "/"]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("-y");
    expect(ok(vkernel(["image", "cat", img, "/a"]))).toBe("4".repeat(100_000));
    expect(run("-y", "prune-everything", "/")).toContain("Prune /: EVERYTHING\n");
    expect(run("snapls")).not.toContain("first");
  });

  it("makes, changes and destroys pseudo file systems", () => {
    expect(run("pfs-master", "/home", "label=Home", "prune-min=1d/02:00")).toMatch(
      /^Creating PFS#1\tsucceeded!\n\/home\n {4}sync-beg-tid=0x0{15}1\n(?:.*\n){3} {4}label="Home"\n {4}prune-min=1d\/02:00:00\n {4}operating as a MASTER\n/);
    expect(hammer(["-f", img, "pfs-master", "/home"]).stderr).toContain("file exists");
    expect(run("pfs-slave", "/mirror")).toContain("operating as a SLAVE");
    expect(run("pfs-downgrade", "/home")).toBe("pfs-downgrade of PFS#1 (Home) succeeded\n");
    expect(run("pfs-upgrade", "/home")).toBe("pfs-upgrade of PFS#1 (Home) succeeded\n");
    expect(hammer(["-f", img, "pfs-destroy", "/home"]).status).toBe(1);
    expect(run("-y", "pfs-destroy", "/home")).toMatch(/pfs-destroy of PFS#1 succeeded!\n$/);
    expect(ok(vkernel(["image", "ls", img, "/"]))).not.toContain("home");
  });

  it("moves data about without changing it", () => {
    put("b", "4");
    put("c", "4");
    const before = readFileSync(img);
    const counts = (text: string): string[] => [...text.matchAll(/ {4}(\d+)\/\d+ (?:B-Tree nodes|data elements)/g)].map((c) => c[1]!);
    const would = run("reblock", "--dry-run", "/");
    expect(would).toContain("Reblock / would move what follows\n");
    expect(run("rebalance", "--dry-run", "/")).toContain("Rebalance / would do what follows\n");
    expect(readFileSync(img).equals(before)).toBe(true);
    expect(counts(would)).toEqual(counts(ok(hammer(["-f", copyOf(img), "reblock", "/"]))));
    expect(run("reblock", "/")).toMatch(/^reblock start .*\nfree level 0\/8388608\nReblock \/ succeeded\nReblocked:\n {4}(\d+)\/\1 B-Tree nodes\n/);
    expect(run("rebalance", "/")).toContain("Rebalance / succeeded\n");
    expect(Number(/Simulated dedup ratio = (.*)\n/.exec(run("dedup-simulate", "/"))![1])).toBeGreaterThan(2.5);
    expect(run("-vv", "dedup-simulate", "/")).toMatch(
      /^Dedup-simulate running\nB-Tree pass {2}crc-range 00000000-max\nsimu-pass \/: objspace .*\nsimu-pass \/: pfs_id 0\n=== Dumping simulated dedup entries:\n(?:\tcrc=[0-9a-f]{8} cnt=\d+ size=\d+\n)+end of dump ===\nDedup-simulate \/ succeeded\n/);
    const shared = JSON.parse(run("dedup", "--json", "/")) as { newRecords: number; output_version: { command: string } };
    expect(shared.output_version.command).toBe("hammer dedup");
    expect(shared.newRecords).toBeGreaterThan(10);
    for (const name of ["a", "b", "c"]) expect(ok(vkernel(["image", "cat", img, `/${name}`]))).toBe("4".repeat(100_000));
    const cycle = path.join(dir, "cycle");
    run("-c", cycle, "-t", "60", "reblock-data", "/", "90");
    expect(existsSync(cycle)).toBe(false);
  });

  it("gains a volume and loses it again", () => {
    const more = path.join(dir, "more.img");
    expect(run("volume-add", more, "--size", "128m")).toBe(`Volume 1 added: the file system is now -f ${img}:${more}\n`);
    expect(hammer(["-f", img, "pfs-status"]).status).toBe(1);
    const both = `${img}:${more}`;
    expect(ok(hammer(["-f", both, "volume-list"]))).toBe(`${img}\n${more}\n`);
    expect(ok(vkernel(["image", "cat", both, "/b"]))).toBe("4".repeat(100_000));
    expect(ok(hammer(["-f", both, "-y", "volume-del", more]))).toBe(`Volume 1 removed: the file system is now -f ${img}\n`);
    expect(ok(vkernel(["image", "cat", img, "/b"]))).toBe("4".repeat(100_000));
  });

  it("cleans up what is due, remembers that, and expires snapshots", () => {
    const said = (how: string, dots: boolean): string => `cleanup /                    -${how} handle PFS#0 using /var/hammer/root\n`
      + ["snapshots", "prune", "rebalance", "reblock", "recopy"].map((c, n) => `${c.padStart(20)} - ${dots ? `run${[0, 0, 2, 4, 4].map((k) => ".".repeat(k))[n]}` : "skip"}\n`).join("");
    const upgrade = " HAMMER UPGRADE: Creating snapshots\n\tCreating snapshots in /var/hammer/root\n";
    expect(run("cleanup", "--dry-run", "/")).toBe(said("", true).replaceAll(/run\.+/g, "run"));
    expect(run("cleanup", "/")).toBe(said(upgrade, true));
    expect(run("cleanup", "/")).toBe(said("", false));
    const told = JSON.parse(run("-F", "cleanup", "--dry-run", "--json", "/", "/")) as object;
    expect(told).toEqual({
      output_version: { command: "hammer cleanup", major: 1, minor: 0 },
      dryRun: true,
      cleanup: [
        {
          path: "/", pfs: 0, state: "/var/hammer/root", error: null,
          directives: ["snapshots", "prune", "rebalance", "reblock", "recopy"].map((directive) => ({ directive, outcome: "run" })),
        },
        { path: "/", pfs: 0, state: null, error: "already handled", directives: null },
      ],
    });
    expect(run("snapls").split("\n").length).toBe(4);
    expect(ok(vkernel(["image", "ls", img, "/var/hammer/root"]))).toMatch(/snap-\d{8}-\d{4}/);
    const file = path.join(dir, "config");
    writeFileSync(file, "snapshots 0d 0d\nprune 1d 5m\nfrobnicate 1d\n");
    run("config", "/", file);
    expect(run("-F", "cleanup", "/")).toContain("           snapshots - disabled\n               prune - run\n          frobnicate - unknown directive\n");
    expect(run("snapls").split("\n").length).toBe(3);
    expect(ok(vkernel(["image", "cat", img, "/b"]))).toBe("4".repeat(100_000));
  });

  it("keeps a configuration, and leaves a sound image", () => {
    const file = path.join(dir, "config");
    writeFileSync(file, "snapshots 1d 10d\n");
    run("config", "/", file);
    expect(run("config", "/")).toBe("snapshots 1d 10d\n");
    expect(ok(hammer(["-f", img, "viconfig", "/"], { env: { EDITOR: "true" } }))).toBe("hammer viconfig: no changes were made\n");
    expect(ok(hammer(["-f", img, "viconfig", "/"], { env: { EDITOR: "sed -i s/10d/20d/" } }))).toBe("");
    expect(run("config", "/")).toBe("snapshots 1d 20d\n");
    expect(hammer(["-f", img, "viconfig", "/"], { env: { EDITOR: "false" } })).toMatchObject({ status: 2, stderr: expect.stringContaining("nothing was changed") as string });
    expect(run("-v", "show")).toMatch(/0 bad nodes\n0 bad elms\n0 bad records\n$/);
    expect(run("-v", "checkmap")).toMatch(/0 bad nodes\n0 errors\n$/);
  });
});

describe("hammer cleanup", () => {
  const old = path.join(dir, "old.img");
  const on = (...args: string[]): string => ok(hammer(["-f", old, ...args]));
  const cat = (name: string): string => ok(vkernel(["image", "cat", old, name]));

  it("below version 3: configuration and softlinks in <pfs>/snapshots", () => {
    ok(vkernel(["image", "create", old, "--fs-version", "2", "--size", "192m"]));
    on("pfs-master", "/home");
    ok(hammer(["-f", old, "pfs-slave", "/mirror"]));
    const put = (text: string): void => {
      const file = path.join(dir, "text");
      writeFileSync(file, text);
      ok(vkernel(["image", "cp", file, `${old}:/home/note`]));
    };
    put("one");
    const first = hammer(["-f", old, "cleanup"]);
    expect(first.status).toBe(1); // the slave has no snapshots directory
    expect(first.stdout).toContain("cleanup /home                - handle PFS#1 using /home/snapshots\n           snapshots - run\n");
    expect(first.stdout).toContain("cleanup /mirror              - WARNING: must configure snapshot dir for PFS slave\n\tWe suggest <fs>/var/slaves/<name>");
    expect(first.stdout).toContain("cleanup /                    - handle PFS#0 using /snapshots\n");
    expect(cat("/home/snapshots/config")).toBe("snapshots 1d 60d\nprune     1d 5m\nrebalance 1d 5m\n#dedup\t   1d 5m\nreblock   1d 5m\nrecopy    30d 10m\n");
    const [link] = /snap-\d{8}-\d{4}/.exec(ok(vkernel(["image", "ls", old, "/home/snapshots"])))!;
    put("two");
    // A snapshot by name: the link leads into the past.
    expect(cat(`/home/snapshots/${link}/note`)).toBe("one");
    expect(on("cleanup", "/home", "/home")).toMatch(/snapshots - skip\n[^]*recopy - skip\ncleanup \/home {16}- PFS#1 already handled\n$/);
    expect(on("-F", "-v", "cleanup", "/home")).toContain(" prune - run\n    hammer -c /home/snapshots/.prune.cycle -t 300 prune /home/snapshots\n");
    expect(cat(`/home/snapshots/${link}/note`)).toBe("one");
    // Softlinks alone decide what prune keeps: a second snapshot, then without the first.
    on("snapshot", "/home", "/home/snapshots/keep-%Y", "ignored below version 3");
    put("three");
    expect(on("prune", "/home/snapshots")).toContain("Prune /home/ succeeded\n");
    expect(cat(`/home/snapshots/${link}/note`)).toBe("one");
    expect(cat(`/home/snapshots/keep-${new Date().getFullYear()}/note`)).toBe("two");
    expect(on("-v", "checkmap")).toMatch(/0 bad nodes\n0 errors\n$/);
  });

  it("converts them after an upgrade: records for the links, the configuration into a record, the directory to /var/hammer", () => {
    // One, or two where a minute ended between the two cleanups before.
    const links = ok(vkernel(["image", "ls", old, "/home/snapshots"])).match(/snap-\d{8}-\d{4}/g)!;
    on("version-upgrade", "/", "4");
    const out = on("cleanup", "/home");
    expect(out).toContain(` (${links.length} snapshots) `);
    expect(out).toMatch(/^cleanup \/home {16}-\(migrating\) {5}non-canonical snapshot softlink: \/home\/snapshots\/keep-\d{4}->\/home\/@@0x[0-9a-f]{16}\n \([12] snapshots\) HAMMER UPGRADE: Moving snapshots\n\tMoving snapshots from \/home\/snapshots to \/var\/hammer\/home\n handle PFS#1 using \/var\/hammer\/home\n/);
    expect(on("config", "/home")).toContain("recopy    30d 10m\n");
    expect(on("snapls", "/home").match(/\tmigrated$/gm)).toHaveLength(links.length);
    expect(ok(vkernel(["image", "ls", old, "/home"]))).toBe("note\n");
    expect(ok(vkernel(["image", "ls", old, "/var/hammer/home"])).match(/snap-\d{8}-\d{4}/g)).toEqual(links);
    expect(cat(`/var/hammer/home/${links[0]}/note`)).toBe("one");
    expect(on("-v", "show")).toMatch(/0 bad nodes\n0 bad elms\n0 bad records\n$/);
  });

  it("prune of a directory of links is about the file system that they lead to, not about the one they are in", () => {
    // The past of PFS 0 has snapshots of its own, none of them in /var/hammer/home.
    const file = path.join(dir, "text");
    const tids: string[] = [];
    for (const text of ["a", "b", "c", "d"]) {
      writeFileSync(file, text);
      ok(vkernel(["image", "cp", file, `${old}:/root-note`]));
      tids.push(on("synctid", "/").trim());
    }
    on("snap", "/var/hammer/home/later");
    const out = hammer(["-f", old, "prune", "/var/hammer/home"]);
    // "later" was made by snap in a directory of PFS 0, and so leads there: two file systems are refused.
    expect(out).toMatchObject({ status: 1, stderr: expect.stringContaining("only one HAMMER filesystem") as string });
    ok(vkernel(["image", "rm", old, "/var/hammer/home/later"]));
    const pruned = on("prune", "/var/hammer/home");
    expect(pruned).toMatch(/^TID [^]*Prune \/home\/: objspace .* pfs_id 1\n/m);
    tids.forEach((tid, n) => expect(cat(`/@@${tid}/root-note`)).toBe("abcd"[n]));
  });

  it("expires what is old, by record and by the time in a link's name", () => {
    const file = path.join(dir, "expire");
    writeFileSync(file, "snapshots 0d 1s any\n");
    on("config", "/home", file);
    ok(hammer(["-f", old, "snap", "/var/hammer/home/old-20100101-0000"]));
    expect(on("-v", "cleanup", "/home")).toMatch(/snapshots - only removing old snapshots\n(?: {4}expire .*\n)* {4}expire \/var\/hammer\/home\/old-20100101-0000\n/);
    expect(ok(vkernel(["image", "ls", old, "/var/hammer/home"]))).not.toContain("20100101");
  });
});
