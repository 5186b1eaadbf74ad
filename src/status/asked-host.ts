import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Whether the Host header names this listener: an IP address, `localhost`, the host's own name, or the one of `status_listen`. A web page
 * whose name was made to lead here (DNS rebinding) asks by its own name, and would read the answers; no name at all is no browser.
 */
export function isOwnHost(header: string | undefined, listen: string): boolean {
  if (header === undefined) return true;
  const name = nameIn(header);
  return isIP(name) !== 0 || ['localhost', hostname(), listen].some((own) => own.toLowerCase() === name);
}

/** Without port, brackets and the dot that ends a full name. */
function nameIn(header: string): string {
  const [, address, name = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(header) ?? [];
  return (address ?? name).toLowerCase().replace(/\.$/, '');
}
