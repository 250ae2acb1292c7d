export const LANGUAGES = [];
