use super::*;

#[test]
fn where_nothing_names_a_pnpm_the_lockfile_does() {
    for (format, expected) in [("5.4", "7.33.7"), ("'6.0'", "8.15.9"), ("'9.0'", "10.34.5")] {
        let text = format!("lockfileVersion: {format}\n\nimporters:\n\n  .: {{}}\n");
        let (_dir, workspace) = crate::testing::workspace(&[("pnpm-lock.yaml", &text)]);
        assert_eq!(pnpm(&workspace).unwrap().value, expected);
        assert_eq!(named_pnpm(&workspace), None);
    }
}

#[test]
fn a_package_manager_without_an_exact_version() {
    let decided = |text: &str| {
        let manifest = format!(r#"{{"name":"root","packageManager":"{text}"}}"#);
        let (_dir, workspace) = crate::testing::workspace(&[
            ("package.json", &manifest),
            (
                "pnpm-lock.yaml",
                "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n",
            ),
        ]);
        assert_eq!(named_pnpm(&workspace), None, "{text}");
        match pnpm(&workspace) {
            Ok(found) => Ok((found.value, found.reason)),
            Err(error) => Err(error.to_string()),
        }
    };
    let is = |version: &str, reason: &str| Ok((version.to_owned(), reason.to_owned()));
    assert_eq!(
        decided("pnpm@7"),
        is(
            "7",
            "the range `7` in package.json (packageManager); name an exact version by `packageManager`"
        )
    );
    assert_eq!(
        decided("pnpm@10.x"),
        is(
            "10.34.5",
            "fits `10.x` in package.json (packageManager); name an exact version by `packageManager`"
        )
    );
    for text in ["pnpm", "pnpm@latest"] {
        let reason = format!("`{text}` in package.json names no version: slimbuild's default");
        assert_eq!(decided(text), is("10.34.5", &reason));
    }
    for text in ["yarn@4.9.1", "pnpmx@9.0.0", "bun"] {
        let error = decided(text).unwrap_err();
        assert!(error.contains("as the package manager"), "{error}");
    }
}

#[test]
fn versions_and_ranges() {
    let node = |text| {
        from_text(".nvmrc", text, &(0..=u64::MAX))
            .map(|decision| decision.value)
            .map_err(|error| error.to_string())
    };
    for (text, expected) in [
        ("22", "22"),
        ("v22.11.0", "22.11.0"),
        ("lts/*", "24"),
        ("lts/iron", "20"),
        (">=18", "24"),
        ("^20.9.0", "20"),
        ("20.x", "20"),
        (">=18 <23", "22"),
        ("23", "23"),
        ("20.12", "20.12"),
        ("~20.12.1", "20.12"),
    ] {
        assert_eq!(node(text).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(
        node("abc"),
        Err("`.nvmrc` asks for node `abc`, which is no version".to_owned())
    );
    assert_eq!(
        node("<16"),
        Err("`.nvmrc` asks for node `<16`, which none of the lines 24, 22, 20, 18 fits".to_owned())
    );
}

#[test]
fn pnpm_needs_its_node() {
    let check = |node: &str, pnpm: &str| {
        let (node, pnpm) = (
            Decision::new(node.to_owned(), "r"),
            Decision::new(pnpm.to_owned(), "r"),
        );
        check(&node, &pnpm, &lines(&pnpm.value)).map_err(|error| error.to_string())
    };
    // What `engines` of each says; a line of node means its newest release.
    for (pnpm, needs, too_old, fits) in [
        ("6.35.1", "12.17", "12.16.3", "12.17.0"),
        ("7.2.0", "14.19", "14.18.3", "14.19.0"),
        ("7.33.7", "14.6", "14.5.0", "14.6.0"),
        ("8.15.9", "16.14", "16.13.2", "16"),
        ("9.15.9", "18.12", "18.11.0", "18.12.0"),
        ("10.34.5", "18.12", "16", "18"),
        ("11.3.0", "22.13", "22.12.0", "22.13.0"),
        ("11.3.0", "22.13", "20", "22"),
        ("12.21.0", "18.0", "16.20.2", "18.0.0"),
        ("12.0.0-rc.8", "18.0", "17", "20"),
        ("^11.0.0", "22.13", "22.11", "22.13"),
        (">=9 <11", "18.12", "18.1.0", "20"),
    ] {
        let error =
            format!("pnpm {pnpm} needs node {needs} or newer, and node {too_old} was chosen (r)");
        assert_eq!(check(too_old, pnpm), Err(error));
        assert_eq!(check(fits, pnpm), Ok(()), "{pnpm} on {fits}");
    }
    // What a range resolves to is not known where it names no whole major.
    assert_eq!(check("16", "~9.1.0"), Ok(()));
    assert_eq!(check("24", "^7.22.0"), Ok(()));
    for (pnpm, mended) in [
        ("7.30.3", "7.32.2"),
        ("7.32.1", "7.33.7"),
        ("8.3.0", "8.3.1"),
    ] {
        assert_eq!(check("18.20.1", pnpm), Ok(()));
        assert_eq!(
            check("20.20.2", pnpm),
            Err(format!(
                "pnpm {pnpm} downloads nothing on node 20 and newer, and node 20.20.2 was chosen (r)"
            ))
        );
        assert_eq!(check("24", mended), Ok(()));
    }
}

#[test]
fn a_choice_is_among_the_nodes_that_pnpm_runs_on() {
    let decide = |pnpm: &str, engines: &str| {
        let text = format!(r#"{{"name":"root","packageManager":"pnpm@{pnpm}"{engines}}}"#);
        let (_dir, workspace) = crate::testing::workspace(&[
            ("package.json", &text),
            (
                "pnpm-lock.yaml",
                "lockfileVersion: 5.4\n\nimporters:\n\n  .: {}\n",
            ),
        ]);
        let (node, _) = decide(&workspace, workspace.root_member(), None).unwrap();
        (node.value, node.reason)
    };
    let chosen = |node: &str, reason: &str| (node.to_owned(), reason.to_owned());
    assert_eq!(
        decide("7.30.3", ""),
        chosen(
            "18",
            "nothing names a version: the newest line with long-term support that pnpm runs on"
        )
    );
    assert_eq!(
        decide("8.2.0", r#","engines":{"node":">=16"}"#),
        chosen(
            "18",
            "`>=16` in package.json (engines); the newest line with long-term support that fits and that pnpm runs on"
        )
    );
    assert_eq!(
        decide("8.15.9", ""),
        chosen(
            "24",
            "nothing names a version: the newest line with long-term support"
        )
    );
}
