/** ISO 8601 as people read it. */
export const clock = (at: string): string => `${at.replace('T', ' ').slice(0, 19)}Z`;
