export const BUSYBOX = [];
