# What Turborepo's guide shows (turborepo.com/docs/guides/tools/docker), with pnpm: `turbo prune --docker`, an install of the
# pruned workspace, the build, and all of that in an image of its own.
FROM node:22-slim AS base
RUN npm install --global pnpm@10.34.8
WORKDIR /app

FROM base AS builder
RUN npm install --global turbo@2.11.11
COPY . .
RUN turbo prune @many/NAME --docker

FROM base AS installer
COPY --from=builder /app/out/json/ .
RUN pnpm install --frozen-lockfile
COPY --from=builder /app/out/full/ .
RUN pnpm turbo run build --filter=@many/NAME...

FROM node:22-slim AS runner
ENV NODE_ENV=production
WORKDIR /app
USER node
COPY --from=installer /app .
EXPOSE 3000
CMD ["node", "apps/NAME/dist/main.js"]
