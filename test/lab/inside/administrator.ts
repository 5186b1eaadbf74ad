import type { SimulatedArray } from '../../pair-client.js';
import { WsapiClient } from '../../simulator/wsapi-client.js';
import { expect } from './checks.js';

/** What an administrator of the site does on an array by hand, beside the plugin. */
export interface Administrator {
  createVolume(name: string, sizeMiB: number): Promise<void>;
  createHost(name: string, iqn: string): Promise<void>;
  /** On all ports of the host. */
  exportVolume(volume: string, host: string, lun: number): Promise<void>;
  removeExport(volume: string, host: string, lun: number): Promise<void>;
  removeVolume(name: string): Promise<void>;
  removeHost(name: string): Promise<void>;
  /** Any other request; answers the parsed body. @throws unless it succeeds */
  send(method: string, path: string, body?: unknown): Promise<unknown>;
}

export async function administratorOf(array: SimulatedArray): Promise<Administrator> {
  const client = await new WsapiClient(array).login();
  const send: Administrator['send'] = async (method, path, body) => {
    const answer = await client.send(method, path, body);
    expect(answer.status < 300, `${array.name}: ${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body.value;
  };
  const [cpg, snapCPG] = array.cpgs;
  return {
    createVolume: async (name, sizeMiB) =>
      void (await send('POST', '/volumes', { name, cpg, snapCPG, sizeMiB, tpvv: true })),
    createHost: async (name, iqn) => void (await send('POST', '/hosts', { name, iSCSINames: [iqn], persona: 2 })),
    exportVolume: async (volumeName, hostname, lun) =>
      void (await send('POST', '/vluns', { volumeName, hostname, lun })),
    removeExport: async (volume, host, lun) => void (await send('DELETE', `/vluns/${volume},${lun},${host}`)),
    removeVolume: async (name) => void (await send('DELETE', `/volumes/${name}`)),
    removeHost: async (name) => void (await send('DELETE', `/hosts/${name}`)),
    send,
  };
}
