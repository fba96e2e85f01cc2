//! The hint for an image whose proof failed, by the kind of fault that the proof's log names.

use crate::model::path::RepoPath;

/// Parts of sentences of the proof (`templates/verify.mjs`, `templates/trial.mjs`) or of node, and
/// what to do about such a fault.
const KINDS: [(&[&str], &str); 12] = [
    (
        &["nothing in the build ran `prisma generate`"],
        "write `prisma generate && …` at the front of the `build` script of APP/package.json.",
    ),
    (
        &[" when it starts, and may not"],
        "name the directory in `\"writable\"` of APP/slimbuild.json, or have the app write to a volume or to /tmp.",
    ),
    (
        &["which is in the workspace and not in the image"],
        "`--include FILE` takes the file along, for good `\"include\"` in APP/slimbuild.json.",
    ),
    (
        &["program that is not in the image", "the app starts `"],
        "`--base slim` is a base with a shell, and `\"systemPackages\": {\"runtime\": [\"NAME\"]}` in APP/slimbuild.json adds a program of Debian's.",
    ),
    (
        &[
            "is not where it looks for it",
            "cannot open shared object file",
        ],
        "`\"systemPackages\": {\"runtime\": [\"NAME\"]}` in APP/slimbuild.json adds Debian's package that has the library.",
    ),
    (
        &["and node wants the whole name in an ES module"],
        "write the ending in each import; `\"module\": \"nodenext\"` in tsconfig.json has TypeScript ask for it. A bundler (tsup, esbuild), which writes one file, does without.",
    ),
    (
        &["which node does not take for it"],
        "have the package's `build` compile it, and name the output in `exports` of its package.json; or have the app's build bundle the package (tsup, esbuild); or start the app through tsx, which finds the file: `\"start\": \"tsx src/index.ts\"`.",
    ),
    (
        &[
            "is not what node ",
            "The image's node cannot read this file",
            "Unexpected token",
        ],
        "have the build compile the file for the image's node, or name a newer node with `--node VERSION`.",
    ),
    (
        &["The loader that compiles TypeScript cannot read this file"],
        "correct the file: the loader refuses it on every machine. For `await` at the top level, write `\"type\": \"module\"` in the app's package.json, or name the file `.mts`.",
    ),
    (
        &[
            "the site has no first page",
            "which the build did not write",
        ],
        "`slimbuild plan APP` shows which directory is served: the build must write the site there.",
    ),
    (
        &[
            "which the image starts, is not there",
            "loads `.",
            "module './",
            "module '../",
            "module '/",
        ],
        "the file must be among the app's sources, or its build must write it: `--include FILE` takes along what is left out, and `--entry FILE` starts another one.",
    ),
    (
        &["not in the image", "cannot be found", "Cannot find "],
        "a package that the app loads belongs into its `dependencies`: `slimbuild why APP PACKAGE` shows who needs one.",
    ),
];

/// How to build without the proof, for any fault.
const WITHOUT_PROOF: &str =
    "`--no-trial` does not start the app, and `--no-verify` makes the image as it is.";

/// The hint for the first fault that a proof's log names.
pub(super) fn hint(app: &RepoPath, log: &str) -> String {
    let fault = log.lines().find_map(|line| {
        // Lines of the app's own output begin with a bar.
        let line = Some(line).filter(|line| !line.trim_start().starts_with('│'))?;
        let fits = |parts: &[&str]| parts.iter().any(|part| line.contains(part));
        let (_, does) = KINDS.iter().find(|(parts, _)| fits(parts))?;
        Some(does.replace("APP", &app.to_string()))
    });
    match fault {
        Some(does) => format!("{does} {WITHOUT_PROOF}"),
        None => WITHOUT_PROOF.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_has_its_own() {
        let app = RepoPath::ROOT.join("apps/api").unwrap();
        for (said, does) in [
            (
                "the app writes to apps/api/x when it starts, and may not: files of the image belong to root",
                "`\"writable\"` of apps/api/slimbuild.json",
            ),
            (
                "the app reads data/x when it starts, which is in the workspace and not in the image",
                "`--include FILE`",
            ),
            (
                "the Prisma client in the image is not generated: nothing in the build ran `prisma generate`",
                "the `build` script of apps/api/package.json",
            ),
            (
                "the app starts `git`, which is not in the image",
                "systemPackages",
            ),
            (
                "the start script runs a program that is not in the image: x: not found",
                "`--base slim`",
            ),
            (
                "node_modules/x/y.node needs `libvips.so`, which is not where it looks for it",
                "has the library",
            ),
            (
                "apps/api/main.js:3 is not what node 20.1.0 can read: x",
                "`--node VERSION`",
            ),
            (
                "apps/api/dist/main.js loads `./gone`, which is not in the image",
                "`--entry FILE`",
            ),
            (
                "apps/api/dist/main.js, which the image starts, is not there",
                "`--entry FILE`",
            ),
            (
                "apps/api/dist/main.js loads `left-pad`, which is not in the image",
                "`slimbuild why apps/api PACKAGE`",
            ),
            (
                "Cannot find package 'left-pad' imported from /app/x.js",
                "`slimbuild why apps/api PACKAGE`",
            ),
            (
                "index.html loads `/a.js`, which the build did not write",
                "which directory is served",
            ),
        ] {
            let hint = hint(
                &app,
                &format!("slimbuild: the image would not run as it is:\n  {said}\n"),
            );
            assert!(hint.contains(does), "{said}: {hint}");
            assert_eq!(
                hint.contains("slimbuild why"),
                does.contains("why"),
                "{said}"
            );
        }
        assert_eq!(hint(&app, "  │ Cannot find it"), WITHOUT_PROOF);
    }

    #[test]
    fn the_root_is_named_as_a_directory() {
        let hint = hint(&RepoPath::ROOT, "writes x when it starts, and may not");
        assert!(hint.contains("of ./slimbuild.json"), "{hint}");
    }

    /// A sentence that is reworded must not lose its hint.
    #[test]
    fn each_kind_is_one_that_the_proof_can_name() {
        let proof = concat!(
            include_str!("../../../templates/verify.mjs"),
            include_str!("../../../templates/trial.mjs")
        );
        for (parts, _) in KINDS {
            assert!(parts.iter().any(|part| proof.contains(part)), "{parts:?}");
        }
    }
}
