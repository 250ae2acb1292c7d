// SPDX-License-Identifier: BSD-3-Clause
/**
 * CPython's own test modules for what an operating system does, one case a module; results are compared test by test.
 * libpython3.11-testsuite holds them.
 */

/**
 * Runs the test module named on its command line, without the classes named after it, and prints `@ result name` for each test; with
 * CLASSES those whose names it matches. Test processes that begin as new interpreters import this file, too: they must not test.
 */
const RUNNER = String.raw`import faulthandler, os, re, sys, unittest
from test import support
support.use_resources = ["cpu", "subprocess", "walltime", *os.environ.get("RESOURCES", "").split()]
faulthandler.enable()
out = os.dup(1)
os.set_inheritable(out, False)
class Result(unittest.TestResult):
    def say(self, what, test):
        # On a line of its own: some modules print how long a test took without ending the line
        os.write(out, f"\n@ {what} {str(test).split(' (')[0]} {unittest.util.strclass(test.__class__)}\n".encode())
    def fail(self, what, test, err):
        self.say(what, test)
        sys.stderr.write(f"{what} {test.id()}\n{self._exc_info_to_string(err, test)}\n")
        sys.stderr.flush()
    def startTest(self, test):
        super().startTest(test)
        self.subs = False
        if "-v" in os.environ.get("TRACE_TESTS", ""):
            sys.stderr.write(f"start {test.id()}\n"); sys.stderr.flush()
    def addSuccess(self, test): self.subs or self.say("ok", test)
    def addError(self, test, err):
        if hasattr(test, "id"): self.fail("error", test, err)
    def addFailure(self, test, err): self.fail("fail", test, err)
    def addSkip(self, test, reason): self.say("skip", test)
    def addExpectedFailure(self, test, err): self.say("expected", test)
    def addUnexpectedSuccess(self, test): self.say("unexpected", test)
    def addSubTest(self, test, sub, err):
        if err is not None:
            self.subs = True
            self.fail("fail", test, err)
only = re.compile(os.environ.get("CLASSES", ""))
def wanted(test):
    name = type(test).__name__
    return name not in sys.argv[2:] and only.search(name)
def without(suite):
    # Suites stay nested as they are: fixtures of modules and classes hang on that.
    return type(suite)(without(each) if isinstance(each, unittest.TestSuite) else each for each in suite
        if isinstance(each, unittest.TestSuite) or wanted(each))
def main():
    try:
        suite = without(unittest.defaultTestLoader.loadTestsFromName(sys.argv[1]))
    except unittest.SkipTest as e:
        print("@ skip", sys.argv[1]); print(e, file=sys.stderr); sys.exit()
    suite.run(Result())
    sys.stdout.flush()
    os._exit(0)
if __name__ == "__main__": main()
`;

/** Modules, with a limit in seconds where they need more than others, classes to omit, resources that tests ask for, and differences with their cause. */
const MODULES = {
  test_os: { limit: 200 },
  test_posix: {},
  test_subprocess: { limit: 300 },
  // Sockets between virtual machines and their host wait for a host that answers
  test_socket: { limit: 300, omit: ["BasicVSOCKTest", "ThreadedVSOCKSocketStreamTest"] },
  test_threading: { limit: 200 },
  test_thread: {},
  test_mmap: {},
  test_select: {},
  test_poll: { limit: 120 },
  test_epoll: {},
  test_selectors: {},
  test_signal: { limit: 200 },
  test_fcntl: {
    known: { "test_fcntl_64_bit test.test_fcntl.TestFcntl": "F_NOTIFY does not exist, inotify does" },
  },
  test_ioctl: {},
  test_pty: {},
  test_openpty: {},
  test_tty: {},
  test_resource: {},
  test_time: {},
  test_fork1: {},
  test_wait3: {},
  test_wait4: {},
  test_popen: {},
  test_file: {},
  test_fileio: {},
  test_tempfile: {},
  test_shutil: {
    known: {
      "test_disk_usage test.test_shutil.TestMisc": "wants free space to stand still, which on the host's disk it does not",
    },
  },
  test_posixpath: {},
  test_pathlib: { limit: 120 },
  test_glob: {},
  test_largefile: { limit: 120 },
  test_socketserver: { resources: "network" },
  test_asyncore: {},
  test_faulthandler: { limit: 200 },
  test_eintr: { limit: 120 },
};

const MULTIPROCESSING = { processes: "WithProcesses", threads: "WithThreads", managers: "WithManager", others: "^(?!With)" };
const FUTURES = { fork: "Fork(?!server)", forkserver: "Forkserver", spawn: "Spawn", threads: "^(?!.*(Fork|Spawn))" };
/** The longest modules, in parts: patterns of class names by what the part is called. */
const PARTS = { test_multiprocessing_fork: MULTIPROCESSING, test_multiprocessing_spawn: MULTIPROCESSING, test_concurrent_futures: FUTURES };

function pythonTest(name, module, classes, { omit = [], resources = "", ...options }) {
  return {
    name: `python-${name}`,
    script: `cat > run.py <<'END'\n${RUNNER}END\nCLASSES='${classes}' RESOURCES='${resources}' python3 -u run.py test.${[module, ...omit].join(" ")}`,
    tests: true,
    limit: 100,
    ...options,
  };
}

export const PYTHON_TESTS = [
  ...Object.entries(MODULES).map(([module, options]) => pythonTest(module, module, "", options)),
  ...Object.entries(PARTS).flatMap(([module, parts]) =>
    Object.entries(parts).map(([part, classes]) => pythonTest(`${module}-${part}`, module, classes, { limit: 300 })),
  ),
];
