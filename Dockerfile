# The root file system of the managed plugin; `npm run plugin:build` makes the plugin of it (docs/install.md).
# Only what works in the plugin's own mount namespace is in it: the tools of the SAN are the host's, through nsenter.
FROM node:24-slim AS build
WORKDIR /src
COPY . .
RUN npm ci && npm run build && npm pack && mkdir /packed && tar -xzf hpe-3par-volume-plugin-*.tgz -C /packed

FROM node:24-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends e2fsprogs mount util-linux xfsprogs \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /packed/package /opt/hpe-volume-plugin
RUN mkdir -p /opt/hpe/data /run/docker/plugins \
  && chmod +x /opt/hpe-volume-plugin/dist/main.js \
  && ln -s /opt/hpe-volume-plugin/dist/main.js /usr/local/bin/hpe-volume-plugin
