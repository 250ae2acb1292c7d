// What the suite "serve" needs: HAMMER images made by the vkernel itself, the same systems as folders for the host's processor and for
// qemu-user, clients of the host's own architecture, and what is compiled.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Apt, output } from "../apt.mjs";
import { debianRoot, debianSource } from "../debian-root.mjs";
import { root as checkout } from "../pnpm.mjs";

export const vkernel = path.join(checkout, "packages", "cli", "bin", "vkernel.js");
/** User and password of the SMB share, the share, and the port that the vkernel serves it at. */
export const USER = "bench";
export const PASSWORD = "bench";
export const SHARE = "/srv/share";
/** Folder of what is compiled, in the root that works. */
export const SOURCES = "/usr/src/bench";
const CLIENTS = ["smbclient", "libnfs-utils"];
const SAMBA = "samba,samba-vfs-modules";
/** nfs-ganesha is a server in user space; it registers itself with rpcbind, which reads netbase's files. */
const GANESHA = ["bash", "coreutils", "nfs-ganesha-vfs", "rpcbind", "netbase"];
const WORK = "postfix,gcc,libc6-dev,make";
const COMPILED = "lua5.4";

/** A loop of fixed length under an interval timer of as many signals a second as the argument says; prints seconds, signals, result. */
const CLOCK = String.raw`#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static volatile unsigned ticks;
static void tick(int signal) { (void)signal; ticks++; }
int main(int argc, char **argv) {
  long us = argc > 1 && atoi(argv[1]) > 0 ? 1000000 / atoi(argv[1]) : 0;
  struct itimerval every = { { 0, us }, { 0, us } };
  struct timespec a, b;
  unsigned x = 1, i;
  signal(SIGALRM, tick);
  setitimer(ITIMER_REAL, &every, 0);
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (i = 0; i < 1000000000u; i++) { x = x * 1664525u + 1013904223u; x ^= x >> 7; }
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%.3f %u %u\n", (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9, ticks, x);
  return 0;
}
`;

const run = (args) => output(process.execPath, [vkernel, ...args]);

/** Makes `target` unless it is there; `make` works beside it, so that what is there is whole. */
async function whole(target, make) {
  if (existsSync(target)) return target;
  const fresh = `${target}.new`;
  rmSync(fresh, { recursive: true, force: true });
  await make(fresh);
  renameSync(fresh, target);
  return target;
}

/** A Debian image; an interrupted one is gone on with. */
function debianImage(image, packages, say) {
  if (existsSync(image)) return;
  say(`making ${path.basename(image)} from Debian's ${packages} (some minutes)`);
  run(["image", "create", image, "--debian", packages]);
}

/** The root of an image as a folder: the same system for others. Owners need the rights of root. */
const folderOf = (image, target) =>
  whole(target, (fresh) => {
    mkdirSync(fresh);
    const tar = `${fresh}.tar`;
    run(["image", "export", image, "/", "-o", tar]);
    output("tar", ["xf", tar, "-C", fresh, "--numeric-owner"]);
    rmSync(tar);
  });

/** Lets `serve smb` make the user, the share and Samba's configuration in the image. */
async function firstServe(image, dir) {
  const password = path.join(dir, "password");
  writeFileSync(password, `${PASSWORD}\n`, { mode: 0o600 });
  const args = ["serve", "smb", image, "--port", "14450", "--user", USER, "--password-file", password, "--snapshot-every", "never"];
  const child = spawn(process.execPath, [vkernel, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [first] = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  child.kill("SIGTERM");
  if (!Buffer.isBuffer(first)) throw new Error(`serve smb ${image}: ended with status ${first}`);
  await once(child, "exit");
}

/** Debian's mailer and compiler, with what is compiled: Lua, and the program with the timer. */
async function workImage(dir, say) {
  const image = path.join(dir, "work.img");
  debianImage(image, WORK, say);
  return whole(path.join(dir, "work-sources.img"), (fresh) => {
    const apt = new Apt(path.join(dir, "apt"), { alone: "i386" });
    const trouble = apt.update();
    if (trouble !== null) say(trouble);
    const sources = path.join(dir, "sources");
    mkdirSync(sources, { recursive: true });
    debianSource(path.join(sources, "lua"), COMPILED, apt, say);
    writeFileSync(path.join(sources, "clock.c"), CLOCK);
    output("cp", ["--sparse=always", image, fresh]);
    run(["image", "mkdir", "-p", fresh, SOURCES]);
    for (const name of readdirSync(sources)) run(["image", "cp", "-r", fresh, path.join(sources, name), `:${SOURCES}/${name}`]);
  });
}

/** Programs of the host's own architecture with all their libraries, below one folder. */
const clients = (dir, say) =>
  whole(path.join(dir, "clients"), (fresh) => {
    const apt = new Apt(path.join(dir, "apt-host"), { alone: output("dpkg", ["--print-architecture"]).trim() });
    const trouble = apt.update();
    if (trouble !== null) say(trouble);
    say("fetching clients");
    for (const file of apt.resolve(CLIENTS)) apt.unpack(file, fresh);
  });

/** Everything, made below `dir` unless it is there: paths of images and folders. */
export async function serveInputs(dir, say) {
  mkdirSync(dir, { recursive: true });
  const files = path.join(dir, "files.img");
  if (!existsSync(files)) {
    const draft = path.join(dir, "files-draft.img");
    debianImage(draft, SAMBA, say);
    await firstServe(draft, dir);
    renameSync(draft, files);
  }
  const work = await workImage(dir, say);
  const ganesha = path.join(dir, "ganesha-root");
  debianRoot(ganesha, GANESHA, new Apt(path.join(dir, "apt"), { alone: "i386" }), say);
  return {
    files, work, ganesha,
    filesRoot: await folderOf(files, path.join(dir, "files-root")),
    workRoot: await folderOf(work, path.join(dir, "work-root")),
    clients: await clients(dir, say),
  };
}
