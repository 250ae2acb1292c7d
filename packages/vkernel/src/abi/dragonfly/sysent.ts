// SPDX-License-Identifier: BSD-3-Clause
/**
 * The system call table of DragonFly 2.0 with the later additions up to 3.8 (numbers: sys/kern/syscalls.master). Every
 * number that DragonFly ever gave to a call has a row; the others end in SIGSYS (abi.ts, A3).
 */
import { type Sysent, sysentTable, unimplemented } from "../../kern/sysent.ts";
import { FILE_ROWS } from "./sys-file.ts";
import { KEVENT_ROWS } from "./sys-kevent.ts";
import { MEMORY_ROWS } from "./sys-memory.ts";
import { MISC_ROWS } from "./sys-misc.ts";
import { POLL_ROWS } from "./sys-poll.ts";
import { PROCESS_ROWS } from "./sys-process.ts";
import { SIGNAL_ROWS } from "./sys-signal.ts";
import { SOCKET_ROWS } from "./sys-socket.ts";
import { TIME_ROWS } from "./sys-time.ts";
import { VFS_ROWS } from "./sys-vfs.ts";

/** One more than the highest number. */
export const SYSENT_SIZE = 536;

/** Calls whose result is two words, the second in edx: fork and its kin (0 in the parent), pipe, 64-bit offsets. */
export const TWO_WORDS: readonly number[] = [2, 42, 66, 199, 251, 458, 463];

/** Calls that are not implemented, by what they belong to. */
const MISSING: Readonly<Record<string, readonly (readonly [number, string])[]>> = {
  "old calls of 4.3BSD": [
    [38, "ostat"], [40, "olstat"], [62, "ofstat"], [63, "getkerninfo"], [71, "ommap"], [84, "owait"], [108, "sigvec"], [109, "sigblock"],
    [110, "sigsetmask"], [112, "sigstack"], [142, "gethostid"], [143, "sethostid"], [144, "ogetrlimit"], [145, "osetrlimit"],
    [146, "killpg"], [149, "quota"], [156, "ogetdirentries"],
  ],
  "sockets beyond the local domain's calls": [
    [99, "oaccept"], [101, "osend"], [102, "orecv"], [113, "orecvmsg"], [114, "osendmsg"], [125, "orecvfrom"], [141, "ogetpeername"],
    [150, "ogetsockname"], [364, "sctp_peeloff"], [393, "sendfile"], [482, "extaccept"], [483, "extconnect"],
  ],
  "tracing and accounting": [[26, "ptrace"], [44, "profil"], [45, "ktrace"], [51, "acct"], [335, "utrace"]],
  "System V IPC": [
    [169, "semsys"], [170, "msgsys"], [171, "shmsys"], [220, "__semctl"], [221, "semget"], [222, "semop"], [224, "msgctl"],
    [225, "msgget"], [226, "msgsnd"], [227, "msgrcv"], [228, "shmat"], [229, "shmctl"], [230, "shmdt"], [231, "shmget"],
  ],
  "file handles and NFS": [
    [155, "nfssvc"], [161, "getfh"], [297, "fhstatfs"], [298, "fhopen"], [299, "dfbsd12_fhstat"], [478, "fhstat"], [502, "fhstatvfs"],
  ],
  "file systems": [
    [56, "revoke"], [148, "quotactl"], [205, "undelete"], [347, "__acl_get_file"], [348, "__acl_set_file"], [349, "__acl_get_fd"],
    [350, "__acl_set_fd"], [351, "__acl_delete_file"], [352, "__acl_delete_fd"], [353, "__acl_aclcheck_file"],
    [354, "__acl_aclcheck_fd"], [355, "extattrctl"], [356, "extattr_set_file"], [357, "extattr_get_file"],
    [358, "extattr_delete_file"], [468, "mountctl"], [530, "vquotactl"], [533, "lpathconf"],
  ],
  "swap and memory": [[72, "vadvise"], [85, "swapon"], [529, "swapoff"]],
  "kernel modules": [
    [300, "modnext"], [301, "modstat"], [302, "modfnext"], [303, "modfind"], [304, "kldload"], [305, "kldunload"], [306, "kldfind"],
    [307, "kldnext"], [308, "kldstat"], [309, "kldfirstmod"], [337, "kldsym"],
  ],
  "asynchronous I/O": [
    [314, "aio_return"], [315, "aio_suspend"], [316, "aio_cancel"], [317, "aio_error"], [318, "aio_read"], [319, "aio_write"],
    [320, "lio_listio"], [359, "aio_waitcomplete"],
  ],
  "real-time scheduling": [
    [327, "sched_setparam"], [328, "sched_getparam"], [329, "sched_setscheduler"], [334, "sched_rr_get_interval"], [520, "ioprio_set"],
    [521, "ioprio_get"],
  ],
  "message queues": [
    [510, "mq_open"], [511, "mq_close"], [512, "mq_unlink"], [513, "mq_getattr"], [514, "mq_setattr"], [515, "mq_notify"],
    [516, "mq_send"], [517, "mq_receive"], [518, "mq_timedsend"], [519, "mq_timedreceive"],
  ],
  "variant symlinks": [[450, "varsym_set"], [451, "varsym_get"], [452, "varsym_list"]],
  "upcalls, CAPS and syslink, which DragonFly removed": [
    [322, "thr_sleep"], [323, "thr_wakeup"], [453, "upc_register"], [454, "upc_control"], [455, "caps_sys_service"],
    [456, "caps_sys_client"], [457, "caps_sys_close"], [458, "caps_sys_put"], [459, "caps_sys_reply"], [460, "caps_sys_get"],
    [461, "caps_sys_wait"], [462, "caps_sys_abort"], [463, "caps_sys_getgen"], [464, "caps_sys_setgen"], [484, "syslink"],
  ],
  "VM spaces inside a vkernel": [
    [485, "mcontrol"], [486, "vmspace_create"], [487, "vmspace_destroy"], [488, "vmspace_ctl"], [489, "vmspace_mmap"],
    [490, "vmspace_munmap"], [491, "vmspace_mcontrol"], [492, "vmspace_pread"], [493, "vmspace_pwrite"], [534, "vmm_guest_ctl"],
    [535, "vmm_guest_sync_addr"],
  ],
  "jails, resident images and checkpoints": [
    [338, "jail"], [465, "exec_sys_register"], [466, "exec_sys_unregister"], [467, "sys_checkpoint"], [471, "jail_attach"],
    [522, "chroot_kernel"],
  ],
  others: [[176, "ntp_adjtime"], [392, "uuidgen"]],
};

const MISSING_ROWS: readonly Sysent[] = Object.entries(MISSING).flatMap(([what, calls]) =>
  calls.map(([nr, name]) => unimplemented(nr, name, what)),
);

export const DRAGONFLY_SYSENT = sysentTable(
  PROCESS_ROWS,
  SIGNAL_ROWS,
  TIME_ROWS,
  MEMORY_ROWS,
  FILE_ROWS,
  VFS_ROWS,
  POLL_ROWS,
  KEVENT_ROWS,
  SOCKET_ROWS,
  MISC_ROWS,
  MISSING_ROWS,
);
