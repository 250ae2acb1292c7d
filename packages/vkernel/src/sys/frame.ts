// SPDX-License-Identifier: BSD-3-Clause
/**
 * Trapframes as the whole kernel sees them: word indices, selectors and flag bits of user mode. They are the host kernel's own
 * (hostkernel's frame.ts says what each is); here they stand for the folders that may not name it.
 * @module
 */
export {
  TF_GS,
  TF_FS,
  TF_ES,
  TF_DS,
  TF_EDI,
  TF_ESI,
  TF_EBP,
  TF_ISP,
  TF_EBX,
  TF_EDX,
  TF_ECX,
  TF_EAX,
  TF_XFLAGS,
  TF_TRAPNO,
  TF_ERR,
  TF_EIP,
  TF_CS,
  TF_EFLAGS,
  TF_ESP,
  TF_SS,
  LUCODE_SEL as UCODE_SEL,
  LUDATA_SEL as UDATA_SEL,
  GTLS_START,
  PSL_C,
  PSL_T,
  PSL_D,
  PSL_RF,
  PSL_USERCHANGE,
  PSL_USER,
} from "@vkernel/hostkernel";
