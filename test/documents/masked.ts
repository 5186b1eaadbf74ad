/** What is another one each time, or on each machine, and what stands for it. */
const MASKS: readonly [RegExp, string][] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'],
  [/\b\d\d:\d\d:\d\d\b/g, 'TIME'],
  [/dcv-[\w.-]{22}/g, 'dcv-ID'],
  [/\bdrill-(\w+)-[0-9a-f]{8}\b/g, 'drill-$1-ID'],
  [/https:\/\/[\d.]+:\d+/g, 'URL'],
  [/\b(\w+)\.r\d+/g, '$1.rN'],
  [/\b(made on|on node) [\w.-]+/g, '$1 NODE'],
  [/\/dev\/(?:loop\d+|mapper\/\S+)/g, 'DEVICE'],
  [/ +\d+(?:\.\d+)?[KMG]\b/g, ' SIZE'],
  [/ +\d+%/g, ' PART'],
  [/[ \t]+$/gm, ''],
];

/** A printed answer without what is another one each time: times, ids, addresses, sizes of file systems, and the names of nodes. */
export const masked = (text: string): string =>
  MASKS.reduce((result, [pattern, instead]) => result.replaceAll(pattern, instead), text).trim();

/** What a printed answer in a document leaves open: `…`, or `…words…`, stands for anything. */
export const asPattern = (answer: string): RegExp =>
  new RegExp(
    `^${masked(answer)
      .replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll(/…[^…\n]+…|…/g, '[^]*?')}$`,
  );
