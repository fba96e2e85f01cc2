//! Readable names for BuildKit's steps, since BuildKit names a `RUN` by its whole shell command.
//!
//! Only commands that slimbuild wrote are renamed. Steps of a user's own template keep their names.

use crate::detect::script::words::first_words;

/// A part of one of our commands, and the command's purpose.
const PARTS: [(&str, &str); 16] = [
    (
        "/verify/verify.mjs --site ",
        "the proof that the site's first page is there",
    ),
    ("/verify/verify.mjs", "the proof that the image can run"),
    ("nginx -t", "the proof that nginx takes its configuration"),
    (
        "\"nginx\", \"-t\"",
        "the proof that nginx takes its configuration",
    ),
    (
        "/usr/local/bin/written",
        "the script that collects what builds write",
    ),
    ("/trim/trim.mjs", "leaving out what the image does not need"),
    (
        "/writable/writable.cjs",
        "the directories that the app writes to",
    ),
    ("getent passwd node", "the node program, and a user for it"),
    ("rm -rf /opt/yarn-*", "node without npm, corepack and yarn"),
    ("/image/files/", "what the image gets"),
    ("/out/image", "what the root's scripts wrote for the image"),
    (
        "cd /out/files && rm -rf ",
        "leaving out what was written into packages of the build",
    ),
    (
        "cd /out/files && mkdir -p ",
        "directories for outputs of other packages",
    ),
    ("for copy in", "renewing the copies of a package"),
    ("gzip -9", "compressing the site's files"),
    ("> /modules.txt", "the list of installed modules"),
];

/// A readable name for a step. A command that is not ours keeps its name.
pub(super) fn named(name: &str) -> String {
    let (place, instruction) = match name.split_once("] ") {
        Some((place, rest)) if name.starts_with('[') => (format!("{place}] "), rest),
        _ => (String::new(), name),
    };
    let Some(command) = instruction.strip_prefix("RUN ") else {
        return name.to_owned();
    };
    match of_ours(command) {
        Some(words) => format!("{place}{words}"),
        None => name.to_owned(),
    }
}

fn of_ours(command: &str) -> Option<String> {
    if let Some(at) = command.find("pnpm --dir=") {
        // The shell's own words begin after the script's name.
        let words = first_words(command.get(at..)?);
        let run = words.iter().position(|word| word == "run")?;
        let (dir, script) = (words.get(1)?, words.get(run + 1)?);
        return Some(format!("pnpm {dir} run {script}"));
    }
    let install = "pnpm install --frozen-lockfile";
    if command.contains(install) {
        return Some(install.to_owned());
    }
    if let Some(at) = command.find("npm install --global ") {
        let words = first_words(command.get(at..)?);
        let package = words.last().filter(|word| word.starts_with("pnpm@"))?;
        return Some(format!("npm install --global {package}"));
    }
    for (install, manager) in [
        (
            "apt-get install --yes --no-install-recommends ",
            "apt-get install",
        ),
        ("apk add --no-cache ", "apk add"),
    ] {
        if let Some((_, rest)) = command.split_once(install) {
            let words = first_words(rest);
            return Some(format!("{manager} {}", words.join(" ")));
        }
    }
    if command.contains(".bin && name=") {
        return Some("the program that the image starts".to_owned());
    }
    let part = PARTS.iter().find(|(part, _)| command.contains(part))?;
    Some(part.1.to_owned())
}

/// The engine's message about a failed step, without the command, which the step's name shows.
pub(super) fn without_command(message: &str) -> String {
    let ends = [
        // BuildKit's wording, and that of Engine 20.10.
        ("process \"", "\" did not complete successfully: "),
        ("executor failed running [", "]: "),
    ];
    for (start, end) in ends {
        if let Some((before, rest)) = message.split_once(start)
            && let Some((_, why)) = rest.rsplit_once(end)
        {
            return format!("{before}{why}");
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_of_ours_has_a_name() {
        for (name, expected) in [
            (
                "[build-apps-a 4/5] RUN --mount=type=secret,id=T,required=true export T=\"$(cat /run/secrets/T)\" && written pnpm --dir='apps/[a]' run build && { test -f apps/a/dist/main.js || { echo 'slimbuild: x'; exit 1; } >&2; }",
                "[build-apps-a 4/5] pnpm --dir=apps/[a] run build",
            ),
            (
                "[build-root 4/4] RUN written env HUSKY=0 pnpm --dir=. --config.enable-pre-post-scripts=false run postinstall || { echo x; exit 1; }",
                "[build-root 4/4] pnpm --dir=. run postinstall",
            ),
            (
                "[linux/arm64 deps 2/2] RUN --mount=type=cache,id=s,target=/pnpm/store pnpm install --frozen-lockfile --store-dir=/pnpm/store",
                "[linux/arm64 deps 2/2] pnpm install --frozen-lockfile",
            ),
            (
                "[verify 3/3] RUN --network=none --mount=type=bind,source=verify,target=/verify [\"node\",\"/verify/verify.mjs\",\"/verify/image.json\"]",
                "[verify 3/3] the proof that the image can run",
            ),
            (
                "[base 2/4] RUN apt-get update && apt-get install --yes --no-install-recommends git 'x y' && rm -rf /var/lib/apt/lists/*",
                "[base 2/4] apt-get install git x y",
            ),
            (
                "[base 3/4] RUN npm install --global --no-audit --no-fund --no-update-notifier pnpm@10.1.0",
                "[base 3/4] npm install --global pnpm@10.1.0",
            ),
        ] {
            assert_eq!(named(name), expected);
        }
        for others in [
            "[x 1/1] RUN make all",
            "[a 1/2] COPY a b",
            "exporting to image",
        ] {
            assert_eq!(named(others), others);
        }
    }

    /// Every `RUN` of the golden Dockerfiles on one line, as BuildKit names it.
    #[test]
    fn no_step_of_ours_shows_its_shell() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/golden");
        let files = walkdir::WalkDir::new(golden)
            .into_iter()
            .map(Result::unwrap);
        let mut seen = 0;
        for file in files.filter(|file| file.file_name() == "Dockerfile") {
            let text = fs_err::read_to_string(file.path()).unwrap();
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            let text = lines.join("\n").replace("\\\n", " ");
            for run in text.lines().filter(|line| line.starts_with("RUN ")) {
                let name = named(&format!("[a 1/2] {run}"));
                let shell = ["RUN", "&&", "||", "$", "{", "--mount", "/bin/sh"];
                assert!(shell.iter().all(|part| !name.contains(part)), "{name}");
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn why_a_step_failed_is_said_without_its_command() {
        for (message, expected) in [
            (
                "process \"/bin/sh -c written pnpm run x && { echo \\\"a]: b\\\"; }\" did not complete successfully: exit code: 7",
                "exit code: 7",
            ),
            (
                "executor failed running [/bin/sh -c pnpm run x [a]: b]: exit code: 7",
                "exit code: 7",
            ),
            (
                "failed to solve: process \"/bin/sh -c x\" did not complete successfully: cannot allocate memory",
                "failed to solve: cannot allocate memory",
            ),
            ("\"/nothing\": not found", "\"/nothing\": not found"),
        ] {
            assert_eq!(without_command(message), expected);
        }
    }
}
