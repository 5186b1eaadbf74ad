# The root file system of the managed plugin:
#   docker build -t hpe-volume-plugin-rootfs .
#   id=$(docker create hpe-volume-plugin-rootfs) && mkdir -p plugin/rootfs && docker export "$id" | tar -x -C plugin/rootfs
#   cp config.json plugin/ && docker plugin create hpe plugin && docker plugin enable --timeout 120 hpe
# hpe.conf of a managed plugin needs mount_prefix = /opt/hpe/data, and docker_timeout = 30 unless it was enabled as above.
FROM node:24-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:24-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends e2fsprogs mount util-linux tini xfsprogs \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/hpe-volume-plugin
COPY --from=build /src/dist ./
COPY --from=build /src/node_modules node_modules
COPY package.json ./
RUN mkdir -p /opt/hpe/data /run/docker/plugins
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/opt/hpe-volume-plugin/main.js"]
