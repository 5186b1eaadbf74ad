import { z } from 'zod';
import type { Vlun } from '../contracts/array.js';
import type { ArrayInventory, ListedDetails, ListedVolume } from '../contracts/inventory.js';
import { listOf, vlunAnswer, volumeAnswer } from './schemas.js';
import { toVlun } from './vluns.js';
import { toVolume } from './volumes.js';
import type { Wsapi } from './wsapi.js';

/** NON_EXISTENT_VLUN (reference 2.2), for an array without any. */
const NON_EXISTENT_VLUN = 19;
/** `copyType` of a snapshot (reference 4.3). */
const VIRTUAL_COPY = 3;

const detailsAnswer = volumeAnswer.extend({
  copyType: z.int().optional(),
  copyOf: z.string().optional(),
  creationTime8601: z.string().optional(),
  expirationTime8601: z.string().optional(),
  retentionTime8601: z.string().optional(),
});

/** Other people's volumes may be of any kind; only the name is certain. */
const listedAnswer = z.looseObject({ name: z.string().min(1), comment: z.string().optional() });

/** What one array has in all. */
export class WsapiInventory implements ArrayInventory {
  readonly #wsapi: Wsapi;

  constructor(wsapi: Wsapi) {
    this.#wsapi = wsapi;
  }

  async listVolumes(signal: AbortSignal): Promise<ListedVolume[]> {
    const found = await this.#wsapi.get({ path: 'volumes', schema: listOf(listedAnswer) }, signal);
    return found.map(toListed);
  }

  async listVluns(signal: AbortSignal): Promise<Vlun[]> {
    const read = { path: 'vluns', schema: listOf(vlunAnswer), absent: [NON_EXISTENT_VLUN] };
    return ((await this.#wsapi.find(read, signal)) ?? []).map(toVlun);
  }
}

function toListed(answer: z.infer<typeof listedAnswer>): ListedVolume {
  const { name, comment = '' } = answer;
  const details = detailsAnswer.safeParse(answer);
  return details.success ? { name, comment, details: toDetails(details.data) } : { name, comment };
}

function toDetails(answer: z.infer<typeof detailsAnswer>): ListedDetails {
  const [createdAt, expiresAt, retainedUntil] = [
    isoTime(answer.creationTime8601),
    isoTime(answer.expirationTime8601),
    isoTime(answer.retentionTime8601),
  ];
  return {
    ...toVolume(answer),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(answer.copyType === VIRTUAL_COPY && answer.copyOf !== undefined ? { snapshotOf: answer.copyOf } : {}),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(retainedUntil === undefined ? {} : { retainedUntil }),
  };
}

function isoTime(text: string | undefined): string | undefined {
  const time = new Date(text ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
