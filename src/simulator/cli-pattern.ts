/** Names as an operator gives them: `*` and `?` match as in a shell. */
export function matchName(pattern: string, name: string): boolean {
  const literal = pattern.replace(/[.+^$(){}|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
}

export const isPattern = (word: string): boolean => /[*?]/.test(word);
