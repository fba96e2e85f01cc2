# The first Dockerfile that a monorepo gets: everything in, everything installed, everything built, one stage.
FROM node:22-slim
RUN npm install --global pnpm@10.34.8
WORKDIR /app
COPY . .
RUN pnpm install --frozen-lockfile
RUN pnpm run build
ENV NODE_ENV=production
EXPOSE 3000
CMD ["pnpm", "--filter", "@shop/server", "start"]
