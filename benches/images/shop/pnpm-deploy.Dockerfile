# What pnpm's documentation shows for monorepos (pnpm.io/docker, example 2; pnpm.io/cli/deploy): install and build the workspace, then
# `pnpm deploy`. `--legacy` because the workspace does not inject its packages; node is started without pnpm in between.
FROM node:22-slim AS base
RUN npm install --global pnpm@10.34.8

FROM base AS build
COPY . /usr/src/app
WORKDIR /usr/src/app
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm install --frozen-lockfile --store-dir=/pnpm/store
RUN pnpm run -r build
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
    pnpm deploy --legacy --filter=@shop/server --prod --store-dir=/pnpm/store /prod/server

FROM node:22-slim AS server
ENV NODE_ENV=production
COPY --from=build /prod/server /prod/server
WORKDIR /prod/server
EXPOSE 3000
CMD ["node", "dist/main.js"]
