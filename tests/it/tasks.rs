//! Tasks in a Dockerfile and on a real daemon: stages in turbo's order, and variables that reach the tasks that declare them and nothing else.

use bollard::models::ImageHistoryResponseItem;
use insta::assert_snapshot;

use crate::support::container::Container;
use crate::support::daemon::each_daemon;
use crate::support::program::slimbuild;
use crate::support::steps::steps;
use crate::support::tree::Tree;
use crate::support::unique;

/// The sample workspace with a task of the root, a package that is interrupted by another one, and a variable.
fn workspace(nonce: &str) -> Tree {
    let tree = Tree::shop();
    tree.replace(
        "turbo.json",
        r#""lint": {},"#,
        r#""lint": {},
    "//#stamp": {"inputs": ["scripts/**"]},
    "@shop/catalog#build": {"dependsOn": ["@shop/server#names"]},
    "names": {"dependsOn": ["//#stamp"]},"#,
    );
    tree.replace(
        "apps/server/turbo.json",
        r#""build": {"#,
        r#""build": {
      "dependsOn": ["$TURBO_EXTENDS$", "late"],
      "env": ["GREETING", "FEATURE_*"]
    },
    "late": {
      "dependsOn": ["^build"],"#,
    );
    tree.replace(
        "package.json",
        r#""scripts": {"#,
        r#""scripts": {"stamp": "node scripts/stamp.mjs","#,
    );
    tree.write(
        "scripts/stamp.mjs",
        &format!("import fs from 'node:fs';\nfs.writeFileSync('stamp.txt', '{nonce}');\n"),
    );
    let write =
        |file: &str, value: &str| format!(r#"node -e \"fs.writeFileSync('{file}', {value})\""#);
    let scripts = [
        (
            "names",
            write(
                "names.txt",
                "fs.readFileSync('../../stamp.txt', 'utf8') + ' names'",
            ),
        ),
        (
            "late",
            write("late.txt", "fs.readFileSync('names.txt', 'utf8') + ' late'"),
        ),
    ];
    let scripts: Vec<String> = scripts
        .iter()
        .map(|(name, text)| format!("\"{name}\": \"{text}\",\n    "))
        .collect();
    let scripts = scripts.concat();
    tree.replace(
        "apps/server/package.json",
        "\"build\": \"",
        &format!("{scripts}\"build\": \""),
    );
    tree.replace(
        "apps/server/package.json",
        "tsc -p tsconfig.build.json",
        &format!(
            "tsc -p tsconfig.build.json && {}",
            write(
                "dist/greeting.txt",
                "process.env.GREETING + ' ' + process.env.OTHER"
            )
        ),
    );
    tree
}

#[test]
fn stages_stand_in_turbos_order() {
    let tree = workspace("x");
    let dockerfile = slimbuild(
        tree.root(),
        &["dockerfile", "apps/server", "--build-arg", "FEATURE_X=on"],
    )
    .text();
    let stages: Vec<&str> = dockerfile
        .split("\n\n")
        .filter(|part| part.contains("\nFROM sources AS build-"))
        .collect();
    assert_snapshot!(stages.join("\n\n"), @r#"
    # shop: stamp
    FROM sources AS build-root
    COPY top/ ./
    RUN written pnpm --dir=. run stamp
    # Packages of the image into which the root's scripts wrote something.
    RUN mkdir -p /out/image && cd /out/files && for dir in packages/catalog packages/events apps/server; do test ! -e "$dir" || cp -a --parents "$dir" /out/image; done

    # @shop/server: names
    FROM sources AS build-apps-server
    COPY src/ run/ ./
    COPY --from=build-root /out/files/ /out/modules/ ./
    RUN written pnpm --dir=apps/server run names

    # @shop/catalog: build
    FROM sources AS build-packages-catalog
    COPY src/apps/server/ run/apps/server/ apps/server/
    COPY run/packages/events/ packages/events/
    COPY src/packages/tsconfig/ packages/tsconfig/
    COPY src/packages/catalog/ run/packages/catalog/ packages/catalog/
    COPY --from=build-root /out/files/ /out/modules/ ./
    COPY --from=build-apps-server /out/files/ /out/modules/ ./
    RUN written pnpm --dir=packages/catalog run build
    # The image gets no declarations and no source maps without sources (--whole-modules keeps them). Builds that use this package still do.
    RUN --mount=type=bind,source=trim,target=/trim cp -al /out/files /out/whole \
     && node /trim/trim.mjs --outputs=/out/files packages/catalog

    # @shop/server: late, build
    FROM sources AS build-apps-server-x2
    COPY src/ run/ ./
    COPY --from=build-root /out/files/ /out/modules/ ./
    COPY --from=build-apps-server /out/files/ /out/modules/ ./
    COPY --from=build-packages-catalog /out/whole/ /out/modules/ ./
    COPY --from=build-apps-server /out/ /out/
    RUN written pnpm --dir=apps/server run late
    ARG FEATURE_X
    ARG GREETING
    RUN written pnpm --dir=apps/server run build \
     && { test -f apps/server/dist/main.js || { \
          echo 'slimbuild: the image starts apps/server/dist/main.js, which the build did not write (--entry names another); it wrote:'; \
          cd /out/files && find . -name '*.*js' | cut -c 3- | sort | head -n 20 | grep . || echo 'no JavaScript'; exit 1; } >&2; }
    # The image gets no declarations and no source maps without sources (--whole-modules keeps them). Builds that use this package still do.
    RUN --mount=type=bind,source=trim,target=/trim cp -al /out/files /out/whole \
     && node /trim/trim.mjs --outputs=/out/files apps/server
    "#);
    let plan = slimbuild(
        tree.root(),
        &["plan", "apps/server", "--build-arg", "API_TOKEN=hidden"],
    );
    assert!(!plan.stderr.contains("hidden"));
    assert_snapshot!(plan.stderr, @"warning: nobody gets the build argument `API_TOKEN`: no task that runs declares it in `env` or `passThroughEnv`");
    let text = plan.text();
    let steps = text
        .split("build steps\n")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    assert_snapshot!(steps, @"
      .                        stamp
                                 stamp: `//#stamp` in `dependsOn` of @shop/server#names
      apps/server              names (after build-root)
                                 names: `@shop/server#names` in `dependsOn` of @shop/catalog#build
      packages/catalog         build (after build-root, build-apps-server)
                                 build: `^build` in `dependsOn` of @shop/server#build
      apps/server              late, build (after build-root, build-apps-server, build-packages-catalog)
                                 late: `late` in `dependsOn` of @shop/server#build
                                 build: it makes the app
                                 reads GREETING
    ");
}

#[test]
fn secrets_are_warned_of_and_not_shown() {
    let tree = workspace("x");
    tree.replace(
        "apps/server/turbo.json",
        "\"GREETING\"",
        "\"GREETING\", \"API_TOKEN\"",
    );
    for command in ["plan", "dockerfile", "build"] {
        let mut arguments = vec![
            command,
            "apps/server",
            "--build-arg",
            "API_TOKEN=hidden",
            "--build-arg",
            "https_proxy=http://hidden",
        ];
        arguments.extend(Some("--dry-run").filter(|_| command == "build"));
        let outcome = slimbuild(tree.root(), &arguments);
        assert!(!outcome.stderr.contains("hidden"), "{}", outcome.stderr);
        if command == "plan" {
            assert_snapshot!(outcome.stderr, @"warning: the build argument `API_TOKEN` looks like a secret: the image does not hold it, but the build's cache and records do (`--secret id=API_TOKEN` leaves no trace)");
        }
        assert!(!outcome.text().contains("hidden"));
    }
}

#[test]
fn a_value_reaches_the_tasks_that_declare_it_and_nothing_else() {
    each_daemon(
        "a_value_reaches_the_tasks_that_declare_it_and_nothing_else",
        |daemon| {
            let nonce = unique();
            let tree = workspace(&nonce);
            let tag = daemon.tag("variables");
            let build = |greeting: &str| {
                let value = format!("GREETING={greeting}");
                let arguments = [
                    "apps/server",
                    "-t",
                    &tag.name,
                    "--progress",
                    "json",
                    "--build-arg",
                    &value,
                ];
                let outcome = daemon.slimbuild(tree.root(), &arguments);
                assert_eq!(outcome.code, 0, "{}", outcome.stderr);
                assert!(!outcome.stderr.contains(greeting), "{}", outcome.stderr);
                let events: Vec<&str> = outcome
                    .stderr
                    .lines()
                    .filter(|line| line.starts_with('{'))
                    .collect();
                steps(&events.join("\n")).ran()
            };
            let [first, second] = ["first", "second"].map(|word| format!("{word}-{nonce}"));
            build(&first);
            let ran = build(&second);
            let print = "for (const file of ['names.txt', 'late.txt', 'dist/greeting.txt']) console.log(fs.readFileSync(file, 'utf8'))";
            let output = Container::output(daemon, &tag.name, &["-e", print]);
            assert_eq!(
                output,
                format!("{nonce} names\n{nonce} names late\n{second} undefined\n")
            );
            let built: Vec<&String> = ran
                .iter()
                .filter(|step| step.starts_with("build-"))
                .collect();
            assert_eq!(
                built,
                [
                    "build-apps-server-x2: pnpm --dir=apps/server run build",
                    "build-apps-server-x2: leaving out what the image does not need"
                ],
                "{ran:#?}"
            );
            let history: Vec<ImageHistoryResponseItem> =
                daemon.wait(daemon.client.image_history(&tag.name)).unwrap();
            let image = format!("{:?}{history:?}", daemon.image(&tag.name));
            assert!(
                !image.contains("GREETING") && !image.contains(&*second),
                "{image}"
            );
        },
    );
}

#[test]
fn a_build_argument_that_no_task_declares_is_refused() {
    let tree = workspace("x");
    let refusal = |argument: &str| {
        let arguments = ["apps/server", "--engine", "native", "--build-arg", argument];
        slimbuild(tree.root(), &arguments).refusal(tree.root())
    };
    let hint = |text: &str| text.lines().last().unwrap_or_default().to_owned();
    let wanted = refusal("OTHER=x");
    let error = "error: no task that runs declares the build argument `OTHER`";
    assert!(wanted.contains(error), "{wanted}");
    assert_snapshot!(hint(&wanted), @"hint: the task `build` of @shop/server seems to want it, for apps/server/package.json names it: add `OTHER` to the task's `env` in turbo.json; or leave the argument out");
    assert_snapshot!(hint(&refusal("NOBODY_NAMES_IT=x")), @"hint: for the task `build` of @shop/server, add `NOBODY_NAMES_IT` to the task's `env` in turbo.json; or leave the argument out");
}
