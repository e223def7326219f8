# One image for every role: the argument says which, `docker run tollgate workers/main.ts`.
#
# The tag names the Bun that the tests run with (.bun-version). A tag can be moved; a release pins what it was built on:
#   docker buildx imagetools inspect oven/bun:1.4.5-slim      # prints the digest
#   docker build --build-arg BUN_IMAGE=oven/bun@sha256:… .
ARG BUN_IMAGE=oven/bun:1.4.5-slim

FROM ${BUN_IMAGE} AS packages
WORKDIR /app
COPY package.json bun.lock bunfig.toml ./
# No scripts of packages run; the lockfile decides. Peers are optional types (TypeScript and the like): 35 MB that nothing loads.
RUN bun install --frozen-lockfile --production --omit=peer --ignore-scripts

FROM ${BUN_IMAGE}
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json tsconfig.json tollgate.yaml ./
COPY core core
COPY adapters adapters
COPY gateway gateway
COPY workers workers
COPY collector collector
COPY ml-sim ml-sim
COPY cli cli
COPY lua lua
COPY sql sql

# Read-only root: nothing is cached on disk. More concurrent calls than worker.prefetch: Bun queues what is above, silently.
ENV NODE_ENV=production \
    HOME=/tmp \
    BUN_RUNTIME_TRANSPILER_CACHE_PATH=0 \
    BUN_CONFIG_MAX_HTTP_REQUESTS=1024
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080 9090
ENTRYPOINT ["bun"]
CMD ["gateway/main.ts"]
