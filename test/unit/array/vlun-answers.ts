import nock from 'nock';
import { VOLUME_NAME } from './array-settings.js';

export const LOST = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
export const HOST = 'node-1';
export const IQN = 'iqn.1993-08.org.debian:01:abc';
export const NOTHING = { total: 0, members: [] };

/** A template on all ports, unless the changes say otherwise. */
export function vlun(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { volumeName: VOLUME_NAME, hostname: HOST, lun: 3, active: false, type: 3, ...changes };
}

/** Where the first and the second of the ready iSCSI ports are. */
export const FIRST = { node: 0, slot: 2, cardPort: 1 };
export const SECOND = { node: 1, slot: 2, cardPort: 1 };

/** Two iSCSI ports that are ready, one that is not, and two Fibre Channel ports. */
export const PORTS = {
  total: 5,
  members: [
    {
      portPos: { node: 0, slot: 2, cardPort: 1 },
      mode: 2,
      linkState: 4,
      protocol: 2,
      type: 8,
      IPAddr: '10.1.0.1',
      iSCSIName: 'IQN.2000-05.com.3pardata:A',
    },
    {
      portPos: { node: 1, slot: 2, cardPort: 1 },
      mode: 2,
      linkState: 4,
      protocol: 2,
      type: 8,
      IPAddr: '10.1.0.2',
      iSCSIName: 'iqn.2000-05.com.3pardata:b',
    },
    {
      portPos: { node: 1, slot: 2, cardPort: 2 },
      mode: 2,
      linkState: 10,
      protocol: 2,
      type: 8,
      IPAddr: '10.1.0.3',
      iSCSIName: 'iqn.2000-05.com.3pardata:down',
    },
    {
      portPos: { node: 0, slot: 1, cardPort: 1 },
      mode: 2,
      linkState: 4,
      protocol: 1,
      type: 1,
      portWWN: '20010002AC018D7C',
    },
    {
      portPos: { node: 1, slot: 1, cardPort: 1 },
      mode: 2,
      linkState: 4,
      protocol: 1,
      type: 1,
      portWWN: '21010002AC018D7C',
    },
  ],
};

export const vlunsOf = (api: nock.Scope): nock.Interceptor =>
  api.get('/vluns').query({ query: `"volumeName EQ ${VOLUME_NAME}"` });
export const vlunsTo = (api: nock.Scope): nock.Interceptor =>
  api.get('/vluns').query({ query: `"hostname EQ ${HOST}"` });
export const hostsWith = (api: nock.Scope, iqn: string): nock.Interceptor =>
  api.get('/hosts').query({ query: `"iSCSIPaths[name==${iqn}]"` });
