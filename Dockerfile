# One image for every role: the argument says which, `docker run tollgate workers/main.ts`.
#
# The digest decides what is used, the tag says what it is; amd64 and arm64 stand behind the same digest. Renew both together:
#   docker buildx imagetools inspect debian:trixie-slim      # prints the digest of the index
ARG NODE_IMAGE=node:24-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe
ARG DEBIAN_IMAGE=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

FROM ${NODE_IMAGE} AS build
WORKDIR /app
# The Bun that the tests run with, by the hash in the lockfile. npm picks the binary of the platform; more than
# one, or another version, ends the build.
COPY .bun-version ./
COPY bootstrap/bun /bun
RUN npm ci --prefix /bun --ignore-scripts --no-audit --no-fund \
    && install /bun/node_modules/@oven/bun-linux-*/bin/bun /usr/local/bin/bun \
    && test "$(bun --version)" = "$(cat .bun-version)"
COPY package.json bun.lock bunfig.toml ./
# No scripts of packages run; the lockfile decides. Peers are optional types (TypeScript and the like): 35 MB that nothing loads.
RUN bun install --frozen-lockfile --production --omit=peer --ignore-scripts

FROM ${DEBIAN_IMAGE}
WORKDIR /app
COPY --from=build /usr/local/bin/bun /usr/local/bin/bun
COPY --from=build /app/node_modules node_modules
# No tests, no bench, no local/: .dockerignore says what may come, test/k8s/image.test.ts looks at what does.
COPY package.json tsconfig.json tollgate.yaml ./
COPY core core
COPY runtime runtime
COPY adapters adapters
COPY gateway gateway
COPY workers workers
COPY collector collector
# The simulated ML service, 30 kB: k8s/overlays/dev and docker/compose.yaml run it, from the one image there is.
COPY ml-sim ml-sim
# What operators run. Commands about a stack on one machine load local/ when they run: here they say that they
# need a checkout.
COPY cli cli
COPY lua lua
COPY sql sql

# Read-only root: nothing is cached on disk. The most calls at once that Bun allows: it queues what is above,
# silently, so that the calls of one model would wait for those of another.
ENV NODE_ENV=production \
    HOME=/tmp \
    BUN_RUNTIME_TRANSPILER_CACHE_PATH=0 \
    BUN_CONFIG_MAX_HTTP_REQUESTS=65336
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080 9090
ENTRYPOINT ["bun"]
CMD ["gateway/main.ts"]
