//! node's command line: which of its options take the next word.

/// node's options with a value in the next word, of node 18 to 24: all with the type string,
/// number, list or address in node's own table (`getCLIOptionsInfo` of
/// `internalBinding('options')`, made from `src/node_options.cc`), and their short names. V8's
/// options (`--max-old-space-size`) take a value only after `=`.
const WITH_VALUE: [&str; 80] = [
    "--allow-fs-read",
    "--allow-fs-write",
    "--build-snapshot-config",
    "--conditions",
    "--cpu-prof-dir",
    "--cpu-prof-interval",
    "--cpu-prof-name",
    "--debug-port",
    "--diagnostic-dir",
    "--disable-proto",
    "--disable-warning",
    "--dns-result-order",
    "--env-file",
    "--env-file-if-exists",
    "--es-module-specifier-resolution",
    "--eval",
    "--experimental-config-file",
    "--experimental-default-type",
    "--experimental-loader",
    "--experimental-package-map",
    "--experimental-policy",
    "--experimental-sea-config",
    "--experimental-specifier-resolution",
    "--experimental-test-isolation",
    "--experimental-test-tag-filter",
    "--heap-prof-dir",
    "--heap-prof-interval",
    "--heap-prof-name",
    "--heapsnapshot-near-heap-limit",
    "--heapsnapshot-signal",
    "--icu-data-dir",
    "--import",
    "--input-type",
    "--inspect-port",
    "--inspect-publish-uid",
    "--loader",
    "--localstorage-file",
    "--max-http-header-size",
    "--max-old-space-size-percentage",
    "--network-family-autoselection-attempt-timeout",
    "--openssl-config",
    "--policy-integrity",
    "--redirect-warnings",
    "--report-dir",
    "--report-directory",
    "--report-filename",
    "--report-signal",
    "--require",
    "--run",
    "--secure-heap",
    "--secure-heap-min",
    "--security-revert",
    "--security-reverts",
    "--snapshot-blob",
    "--test-concurrency",
    "--test-coverage-branches",
    "--test-coverage-exclude",
    "--test-coverage-functions",
    "--test-coverage-include",
    "--test-coverage-lines",
    "--test-global-setup",
    "--test-isolation",
    "--test-name-pattern",
    "--test-random-seed",
    "--test-reporter",
    "--test-reporter-destination",
    "--test-rerun-failures",
    "--test-shard",
    "--test-skip-pattern",
    "--test-timeout",
    "--title",
    "--tls-cipher-list",
    "--tls-keylog",
    "--trace-event-categories",
    "--trace-event-file-pattern",
    "--trace-require-module",
    "--unhandled-rejections",
    "--use-largepages",
    "--v8-pool-size",
    "--watch-kill-signal",
];

/// The rest of the table, and short names.
const MORE_WITH_VALUE: [&str; 5] = ["--watch-path", "-C", "-e", "-r", "-pe"];

/// With these options node evaluates text and starts no file.
const EVALUATES: [&str; 6] = ["-e", "--eval", "-p", "--print", "-pe", "--run"];

/// Splits node's arguments into its own flags, the file, and the program's arguments; `None` if it
/// starts no file.
pub(crate) fn command(words: &[String]) -> Option<(Vec<String>, String, Vec<String>)> {
    let mut flags = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            let file = rest.next()?.clone();
            return Some((flags, file, rest.cloned().collect()));
        }
        if !word.starts_with('-') {
            return Some((flags, word.clone(), rest.cloned().collect()));
        }
        let name = word.split('=').next().unwrap_or(word);
        if EVALUATES.contains(&name) || word == "-" {
            return None;
        }
        flags.push(word.clone());
        if takes_value(word) {
            flags.push(rest.next()?.clone());
        }
    }
    None
}

/// Why an image leaves out an option of node, as the end of a sentence that begins with the script.
/// `next` is the next word; `holds` says whether the image has a file.
pub(crate) fn left_out(
    flag: &str,
    next: Option<&str>,
    holds: impl Fn(&str) -> bool,
) -> Option<String> {
    let (name, value) = match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, next),
    };
    if name.starts_with("--env-file") {
        let file = value.unwrap_or_default();
        return (!holds(file)).then(|| {
            format!(
                "reads `{file}`, an env file that the image does not hold, and is started without `{name}`: set its variables when the container starts"
            )
        });
    }
    name.starts_with("--watch").then(|| {
        "has node watch its files, which do not change in an image: it is started without"
            .to_owned()
    })
}

/// node's flags without those that an image leaves out, and why these are left out.
pub(crate) fn kept(flags: &[String], holds: impl Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut notes) = (Vec::new(), Vec::new());
    let mut rest = flags.iter();
    while let Some(flag) = rest.next() {
        let value = if takes_value(flag) { rest.next() } else { None };
        match left_out(flag, value.map(String::as_str), &holds) {
            Some(note) => notes.push(note),
            None => kept.extend([flag].into_iter().chain(value).cloned()),
        }
    }
    (kept, notes)
}

/// Whether an option takes the next word.
pub(crate) fn takes_value(word: &str) -> bool {
    // node accepts `_` for `-` in options.
    let name = match word.strip_prefix("--") {
        Some(name) => format!("--{}", name.replace('_', "-")),
        None => word.to_owned(),
    };
    WITH_VALUE.contains(&&*name) || MORE_WITH_VALUE.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_their_values_are_not_the_file() {
        for flags in [
            "--env-file-if-exists .env",
            "--env-file-if-exists=.env",
            "--disable-warning ExperimentalWarning",
            "--unhandled-rejections strict --dns-result-order ipv4first",
            "--max-old-space-size=4096 --enable-source-maps",
            "-r a -C b --import ./c.mjs --title d",
            "--inspect=0.0.0.0:9229 --inspect-port 1",
            "--disable_warning X",
            "",
        ] {
            let line = format!("{flags} dist/index.js --env-file x");
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let (found, file, args) = command(&words).unwrap();
            assert_eq!(
                (found.join(" ").as_str(), file.as_str()),
                (flags, "dist/index.js")
            );
            assert_eq!(args, ["--env-file", "x"]);
        }
        let none = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            command(&words)
        };
        assert_eq!(none("-e console.log(1) x.js"), None);
        assert_eq!(none("-p 1"), None);
        assert_eq!(none("--test"), None);
        assert_eq!(none("-- a.js b").unwrap().1, "a.js");
    }
}
