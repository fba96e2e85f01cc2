//! Start scripts, what the image runs, and what it answers or says where it is booted; nothing where it is not.
//!
//! `slim` and `distroless` are bases; `at once:` stands for the shell's lines that start and end several processes together.

pub(super) const TABLE: [(&str, &str, &str); 63] = [
    ("node dist/main.js", "distroless: dist/main.js", ""),
    (
        "node --max-old-space-size=256 --enable-source-maps dist/main --x",
        "distroless: --max-old-space-size=256 --enable-source-maps dist/main.js --x",
        r#""--enable-source-maps""#,
    ),
    (
        "node --env-file-if-exists .env --disable-warning ExperimentalWarning dist/main.js",
        "distroless: --disable-warning ExperimentalWarning dist/main.js",
        r#""--disable-warning","ExperimentalWarning""#,
    ),
    (
        "node --unhandled-rejections strict --title x dist/main.js",
        "distroless: --unhandled-rejections strict --title x dist/main.js",
        "",
    ),
    ("node --watch dist/main.js", "distroless: dist/main.js", ""),
    ("node dist", "distroless: dist/index.js", ""),
    (
        "PORT=${PORT:-4000} node dist/main.js",
        "distroless: PORT=4000 dist/main.js",
        r#""PORT":"4000""#,
    ),
    ("B=$A node dist/main.js", "distroless: dist/main.js", ""),
    (
        "HOST=${A:-127.0.0.1} node dist/main.js",
        "distroless: HOST=127.0.0.1 dist/main.js",
        "",
    ),
    (
        "cross-env NODE_ENV=production A=1 PORT=4000 node dist/main.js",
        "distroless: A=1 PORT=4000 dist/main.js",
        r#""A":"1""#,
    ),
    (
        "env A=1 node dist/main.js",
        "distroless: A=1 dist/main.js",
        "",
    ),
    (
        "env $(cat .env | xargs) node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "set -a && . ./.env && node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "dotenv -e ../../.env -- node dist/main.js",
        "distroless: dist/main.js",
        r#"main.js"]"#,
    ),
    (
        "dotenvx run -f .env -- node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "env-cmd -f .env node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "doppler run -- node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "infisical run --env=prod -- node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "op run --env-file .env -- node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    ("sst bind node dist/main.js", "distroless: dist/main.js", ""),
    (
        "pnpm with-env node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "sh -c 'A=1 exec node dist/main.js'",
        "distroless: A=1 dist/main.js",
        "",
    ),
    (
        r#"bash -c "tool; node dist/main.js""#,
        r"slim: sh: node node_modules/@w/tool/tool.js; exec node dist/main.js",
        "migrated",
    ),
    (
        "time nice -n 5 node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    (
        "timeout 10 node dist/main.js",
        "distroless: dist/main.js",
        "",
    ),
    ("exec node dist/main.js", "distroless: dist/main.js", ""),
    (
        "npm run serve:it -- --x",
        "distroless: A=b dist/main.js --it --x",
        r#""--it","--x""#,
    ),
    ("pnpm serve:it", "distroless: A=b dist/main.js --it", ""),
    ("yarn run serve:it", "distroless: A=b dist/main.js --it", ""),
    ("bun run serve:it", "distroless: A=b dist/main.js --it", ""),
    (
        "turbo run serve:it",
        "distroless: A=b dist/main.js --it",
        "",
    ),
    (
        "node --run serve:it",
        "distroless: A=b dist/main.js --it",
        "",
    ),
    (
        "pnpm exec tsx src/main.ts",
        "distroless: TSX_DISABLE_CACHE=1 --import tsx src/main.ts",
        r#"main.ts"]"#,
    ),
    (
        "pnpm tsx watch src/main.ts",
        "distroless: TSX_DISABLE_CACHE=1 --import tsx src/main.ts",
        "",
    ),
    (
        "npx --yes serve@14 -l 3000 public",
        "distroless: node_modules/.bin/serve -l 3000 public",
        "hi",
    ),
    (
        "bunx serve public",
        "distroless: node_modules/.bin/serve public",
        "",
    ),
    (
        "pnpm dlx serve public",
        "distroless: node_modules/.bin/serve public",
        "",
    ),
    (
        "node node_modules/serve/build/main.js -l 3000 public",
        "distroless: node_modules/serve/build/main.js -l 3000 public",
        "hi",
    ),
    (
        "./node_modules/.bin/serve public",
        "distroless: node_modules/.bin/serve public",
        "",
    ),
    (
        "run-s db serve:it",
        r"slim: sh: node node_modules/@w/tool/tool.js && A=b exec node dist/main.js --it",
        "migrated",
    ),
    (
        "run-p start:*",
        r#"slim: sh: at once: { trap : TERM INT; ( node dist/main.js ) || kill -HUP $$; } & all="$all $!"; { trap : TERM INT; ( node dist/job.js ) || kill -HUP $$; } & all="$all $!";"#,
        "job",
    ),
    (
        "npm-run-all db --parallel start:*",
        r#"slim: sh: node node_modules/@w/tool/tool.js && { at once: { trap : TERM INT; ( node dist/main.js ) || kill -HUP $$; } & all="$all $!"; { trap : TERM INT; ( node dist/job.js ) || kill -HUP $$; } & all="$all $!";; }"#,
        "migrated",
    ),
    (
        r#"concurrently "npm:start:*""#,
        r#"slim: sh: at once: { trap : TERM INT; node dist/main.js; } & all="$all $!"; { trap : TERM INT; node dist/job.js; } & all="$all $!";"#,
        "",
    ),
    (
        r#"concurrently -k -n a,b "node dist/job.js" "pnpm start:api""#,
        r#"slim: sh: at once: { trap : TERM INT; ( node dist/job.js ); kill -HUP $$; } & all="$all $!"; { trap : TERM INT; ( node dist/main.js ); kill -HUP $$; } & all="$all $!";"#,
        "job",
    ),
    (
        "pm2-runtime ecosystem.config.js",
        "slim: PM2_HOME=/dev/shm/.pm2 node node_modules/.bin/pm2-runtime ecosystem.config.js",
        "ProcessContainerFork",
    ),
    (
        "sh ./start.sh",
        r#"slim: sh: export PATH="$PWD/node_modules/.bin:$PATH"; exec sh ./start.sh"#,
        "migrated",
    ),
    (
        "./docker-entrypoint.sh node dist/main.js",
        r#"slim: sh: export PATH="$PWD/node_modules/.bin:$PATH"; exec ./docker-entrypoint.sh node dist/main.js"#,
        r#"main.js"]"#,
    ),
    (
        "tool && node dist/main.js",
        r"slim: sh: node node_modules/@w/tool/tool.js && exec node dist/main.js",
        "migrated",
    ),
    (
        "tool || true; node dist/main.js",
        r"slim: sh: node node_modules/@w/tool/tool.js || true; exec node dist/main.js",
        "",
    ),
    (
        "node dist/job.js & node dist/main.js",
        r"slim: sh: node dist/job.js & exec node dist/main.js",
        r#"main.js"]"#,
    ),
    (
        "tool && (cd dist && node main.js)",
        r"slim: sh: node node_modules/@w/tool/tool.js && { cd dist && exec node main.js; }",
        "migrated",
    ),
    (
        "node dist/main.js > /dev/stdout 2>&1",
        r"slim: sh: exec node dist/main.js > /dev/stdout 2>&1",
        "",
    ),
    (
        "node dist/main.js | cat",
        "slim: sh: node dist/main.js | cat",
        "",
    ),
    (
        "A=$(echo one) node dist/main.js",
        r"slim: sh: A=$(echo one) exec node dist/main.js",
        r#""A":"one""#,
    ),
    (
        "node dist/main.js --port ${PORT:-3000}",
        r"slim: sh: exec node dist/main.js --port ${PORT:-3000}",
        r#""--port","3000""#,
    ),
    ("nodemon dist/main.js", "distroless: dist/main.js", ""),
    ("tsc && node dist/main.js", "distroless: dist/main.js", ""),
    (
        "prisma migrate deploy && node dist/main.js",
        "refused: runs `prisma`, which is not among the dependencies",
        "",
    ),
    (
        "pm2 start dist/main.js",
        "refused: runs `pm2 start`, which goes to the background, and the container would end",
        "",
    ),
    (
        "node dist/main.js &",
        "refused: ends with `&`: all goes to the background, and the container would end",
        "",
    ),
    (
        "bun src/main.ts",
        "refused: runs `bun src/main.ts`, and the image has no `bun`",
        "",
    ),
    (
        "pnpm --filter other start",
        "refused: runs `pnpm --filter other start`, and the image has no `pnpm`",
        "",
    ),
    (
        "python main.py",
        "refused: runs `python main.py`, and no dependency of the app is known to bring `python`",
        "",
    ),
];
