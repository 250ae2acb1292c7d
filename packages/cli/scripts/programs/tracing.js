export const TRACING = [];
