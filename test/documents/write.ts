import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format } from 'prettier';
import { GENERATED, root, withGenerated } from './generated.js';

/** `npm run docs`: writes the generated parts of the documents anew. */
for (const file of GENERATED.keys()) {
  const at = path.join(root, 'docs', file);
  const text = withGenerated(file, readFileSync(at, 'utf8'));
  writeFileSync(at, await format(text, { parser: 'markdown', printWidth: 120, singleQuote: true }));
  console.log(`docs/${file}`);
}
