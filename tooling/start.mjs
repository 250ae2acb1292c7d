// `npm start`: installs and builds what is missing, then runs the vkernel command with the arguments given.
import { spawn } from "node:child_process";
import path from "node:path";
import { root } from "./pnpm.mjs";
import { build, install } from "./setup.mjs";

try {
  install();
  build();
} catch (error) {
  process.stderr.write(`vkernel: ${error.message}\n`);
  process.exit(1);
}

const child = spawn(
  process.execPath,
  [path.join(root, "packages", "cli", "bin", "vkernel.js"), ...process.argv.slice(2)],
  { stdio: "inherit", cwd: process.env.INIT_CWD ?? process.cwd() },
);
// The terminal sends ^C to the whole foreground group: it belongs to the guest, so this process must outlive it.
for (const signal of ["SIGINT", "SIGQUIT", "SIGTSTP"]) process.on(signal, () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  if (signal !== null) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else process.exit(code ?? 1);
});
