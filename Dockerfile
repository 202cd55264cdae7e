# Millrace in a container: Node without a build environment, a user without rights, and jemalloc, which gives the memory of unloaded models back to the system (glibc keeps it).
#
#   docker build -t millrace .
#   docker run -p 8080:8080 -e MILLRACE_TOKEN=… -v ./models:/models:ro millrace serve /models --host 0.0.0.0
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci && npm run build && npm prune --omit=dev \
  && npm install --no-save --ignore-scripts onnxruntime-node@1.30.0

FROM node:22-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libjemalloc2 tini \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production \
  LD_PRELOAD=libjemalloc.so.2 \
  MALLOC_CONF=background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/bin bin
COPY --from=build /app/dist dist
RUN mkdir /work && chown node:node /work
USER node
WORKDIR /work
EXPOSE 7300 8080 8081
ENTRYPOINT ["tini", "--", "node", "/app/bin/millrace.cjs"]
CMD ["--help"]
