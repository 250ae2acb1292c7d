// What the benchmarks need and where it lies: the guest root of Debian i386 programs, and the peers' own files.
// Everything is fetched and built under one folder (default scratch/bench); nothing is installed on the host.
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Apt, output } from "../apt.mjs";

/** Version of v86 measured; its figures depend on it. */
const V86_VERSION = "0.5.462";
const MEMFS_VERSION = "4.80.1";

export class Inputs {
  /** `dir`: where things are made; `shared`: folder with the guest programs and mk-rootfs.sh. */
  constructor(dir, shared, log) {
    mkdirSync(dir, { recursive: true });
    this.dir = path.resolve(dir);
    // its scripts compare their own path with the one they were called by, so no symbolic links
    this.shared = existsSync(shared) ? realpathSync(shared) : path.resolve(shared);
    this.log = log;
  }

  /** Apt with fresh lists, read once for each run at most. */
  get apt() {
    if (this.readApt === undefined) {
      const apt = new Apt(path.join(this.dir, "apt"));
      this.log("reading package lists");
      const trouble = apt.update();
      if (trouble !== null) this.log(trouble);
      this.readApt = apt;
    }
    return this.readApt;
  }

  /** A folder holding only the static benchmark programs; needs nothing but `shared`. */
  microRoot() {
    if (!existsSync(path.join(this.shared, "guest/bin/cpu"))) {
      throw new Error(`${this.shared}: no guest/bin there (give the folder with --shared)`);
    }
    const root = path.join(this.dir, "micro-root");
    for (const sub of ["bench/bin", "bench/tmp", "dev", "proc", "tmp"]) {
      mkdirSync(path.join(root, sub), { recursive: true });
    }
    cpSync(path.join(this.shared, "guest/bin"), path.join(root, "bench/bin"), { recursive: true });
    return root;
  }

  /**
   * The folder that mk-rootfs.sh makes: rootfs/ with Debian's compilers, interpreters and the inputs, the same as
   * initramfs.cpio, and a 32-bit kernel. `given`: such a folder made before.
   */
  guest(given) {
    const dir = given ?? path.join(this.dir, "guest");
    if (given === undefined && !existsSync(path.join(dir, "complete"))) this.#makeGuest(dir);
    for (const file of [
      "rootfs/bench/bin/timeit",
      "rootfs/usr/bin/python3.11",
      "initramfs.cpio",
      "vmlinuz",
    ]) {
      if (!existsSync(path.join(dir, file))) throw new Error(`${dir}: no ${file} there`);
    }
    return dir;
  }

  #makeGuest(dir) {
    const script = path.join(this.shared, "mk-rootfs.sh");
    if (!existsSync(script)) throw new Error(`${script}: not there`);
    const source = path.join(this.dir, "source");
    rmSync(source, { recursive: true, force: true });
    cpSync(this.shared, source, { recursive: true, preserveTimestamps: true });
    output("chmod", ["-R", "u+w", source]);
    const { env } = this.apt;
    this.log("making the guest root from Debian packages (some minutes)");
    output("bash", [path.join(source, "mk-rootfs.sh"), dir], { env });
    writeFileSync(path.join(dir, "complete"), "");
  }

  /** The program `file` of a Debian package. */
  #fromPackage(wanted, file) {
    const target = path.join(this.dir, "packages", wanted.replace(":", "_"));
    const full = path.join(target, file);
    if (!existsSync(full)) {
      this.log(`fetching ${wanted}`);
      this.apt.unpack(this.apt.fetch(wanted), target);
    }
    return full;
  }

  /** qemu-i386 that runs inside a chroot: statically linked. */
  qemuUser() {
    return this.#fromPackage("qemu-user-static", "usr/bin/qemu-i386-static");
  }

  /** wrk, with the library that it brings: { program, libraries } for LD_LIBRARY_PATH. */
  wrk() {
    const target = path.join(this.dir, "packages", "wrk");
    const program = path.join(target, "usr/bin/wrk");
    if (!existsSync(program)) {
      this.log("fetching wrk");
      for (const name of ["libluajit-5.1-2", "wrk"]) this.apt.unpack(this.apt.fetch(name), target);
    }
    const [libraries] = readdirSync(path.join(target, "usr/lib")).filter((name) => name.includes("-linux-"));
    return { program, libraries: path.join(target, "usr/lib", libraries) };
  }

  /** User-mode Linux as a 32-bit program; the 64-bit one runs no i386 programs. */
  uml() {
    return this.#fromPackage("user-mode-linux:i386", "usr/bin/linux.uml");
  }

  /** fuse2fs and e2tools with their library, below one folder. */
  ext2Tools() {
    const target = path.join(this.dir, "packages", "ext2-tools");
    if (!existsSync(path.join(target, "usr/bin/fuse2fs"))) {
      this.log("fetching fuse2fs and e2tools");
      for (const name of ["e2tools", "libfuse2", "fuse2fs"]) this.apt.unpack(this.apt.fetch(name), target);
    }
    return target;
  }

  /** The folder of the package memfs, installed apart with what it needs. */
  memfs() {
    const target = path.join(this.dir, `memfs-${MEMFS_VERSION}`);
    const folder = path.join(target, "node_modules", "memfs");
    if (!existsSync(folder)) {
      this.log(`fetching memfs ${MEMFS_VERSION}`);
      output("npm", ["install", "--silent", "--no-save", "--prefix", target, `memfs@${MEMFS_VERSION}`]);
    }
    return folder;
  }

  /** v86's build folder and PC firmware. */
  v86() {
    const target = path.join(this.dir, `v86-${V86_VERSION}`);
    if (!existsSync(path.join(target, "package.json"))) {
      this.log(`fetching v86 ${V86_VERSION}`);
      const part = `${target}.part`;
      rmSync(part, { recursive: true, force: true });
      mkdirSync(part, { recursive: true });
      const tgz = output("npm", ["pack", "--silent", `v86@${V86_VERSION}`], { cwd: part })
        .trim()
        .split("\n")
        .at(-1);
      output("tar", ["xzf", tgz, "--strip-components=1"], { cwd: part });
      renameSync(part, target);
    }
    const bios = this.#fromPackage("seabios", "usr/share/seabios/bios.bin");
    return {
      version: V86_VERSION,
      build: path.join(target, "build"),
      bios,
      vgaBios: path.join(path.dirname(bios), "vgabios-stdvga.bin"),
    };
  }
}
