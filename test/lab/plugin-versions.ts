/** The managed plugin of a scenario; the second is what the first one is upgraded to. */
export const PLUGIN_VERSIONS = ['0.1.1', '0.1.2'] as const;
export type PluginVersion = (typeof PLUGIN_VERSIONS)[number];

/** Name of the file in the guest's share that `docker plugin create` takes. */
export const pluginTar = (version: PluginVersion): string => `plugin-${version}.tar`;
