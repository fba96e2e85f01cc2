# The guide's Dockerfile as a careful team goes on with it: a second, production install beside the build, and in the image only
# that and what the build wrote.
FROM node:22-slim AS base
RUN npm install --global pnpm@10.34.8
WORKDIR /app

FROM base AS builder
RUN npm install --global turbo@2.11.11
COPY . .
RUN turbo prune @shop/server --docker

FROM base AS installer
COPY --from=builder /app/out/json/ .
RUN pnpm install --frozen-lockfile
COPY --from=builder /app/out/full/ .
# turbo prune leaves files at the root behind, and the packages' tsconfig.json extend this one
COPY tsconfig.base.json ./
RUN pnpm turbo run build --filter=@shop/server...

FROM base AS production
COPY --from=builder /app/out/json/ .
RUN pnpm install --frozen-lockfile --prod

FROM node:22-slim AS runner
ENV NODE_ENV=production
WORKDIR /app
USER node
COPY --from=production /app .
COPY --from=installer /app/packages/catalog/dist packages/catalog/dist
COPY --from=installer /app/packages/events/src packages/events/src
COPY --from=installer /app/apps/server/public apps/server/public
COPY --from=installer /app/apps/server/dist apps/server/dist
EXPOSE 3000
CMD ["node", "apps/server/dist/main.js"]
